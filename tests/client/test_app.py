"""The ClientApp as the coordinator sees it: what it answers to wrong, hostile and broken requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from client.app import HOME, IN_MEMORY, app, forget_devices
from configs.from_flower import RESOLVED
from mien.wire import bytes_part, pack, unpack
from privacy.secagg.messages import Enrolment, Refusal, decode
from simulations.in_process import InProcessGrid


@pytest.fixture
def grid(small_config: Callable[..., Any], tmp_path: Path) -> Iterator[InProcessGrid]:
    yield InProcessGrid(
        app,
        5,
        run_config={RESOLVED: small_config().model_dump_json()},
        node_config={HOME: str(tmp_path), IN_MEMORY: True},
    )
    forget_devices(tmp_path)


def ask(grid: InProcessGrid, kind: str, **parts: bytes) -> dict[str, Any]:
    (reply,) = grid.send_and_receive([Message(pack(parts), grid.get_node_ids()[0], kind)])
    assert not reply.has_error()
    return unpack(reply.content)


def refusal(answer: dict[str, Any]) -> Refusal:
    assert set(answer) == {"refusal"}, "nothing but the refusal may leave"
    return decode(bytes_part(answer, "refusal"), Refusal).message


def test_enrolment_is_signed_by_the_device(grid: InProcessGrid) -> None:
    enrolment = decode(ask(grid, "query.enrol", run=b"run-1")["enrolment"], Enrolment)
    assert enrolment.check(enrolment.message.bundle.identity_key).sender == "client-000000"


@pytest.mark.parametrize(
    ("kind", "part"), [("query.setup", "setup"), ("train", "upload"), ("query.unmask", "unmask")]
)
@pytest.mark.parametrize("request_bytes", [b"", b"MIEN", bytes(300)])
def test_garbage_is_refused_and_signed(
    grid: InProcessGrid, kind: str, part: str, request_bytes: bytes
) -> None:
    answer = ask(grid, kind, **{part: request_bytes, "weights": b""})
    assert refusal(answer).code in (43, 44)


def test_a_missing_part_is_refused_by_name(grid: InProcessGrid) -> None:
    assert "setup" in refusal(ask(grid, "query.setup")).text


def test_records_that_mien_does_not_make_are_refused(grid: InProcessGrid) -> None:
    content = RecordDict({"config": ConfigRecord({"lr": 0.1})})
    (reply,) = grid.send_and_receive([Message(content, grid.get_node_ids()[0], "train")])
    assert "unknown record" in refusal(unpack(reply.content)).text


def test_an_unforeseen_error_tells_the_coordinator_nothing(
    grid: InProcessGrid, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("photo of Ann at /home/ann/face.jpg")

    monkeypatch.setattr("privacy.secagg.client.SecAggClient.setup", fail)
    answer = refusal(ask(grid, "query.setup", setup=b"x"))
    assert answer.text == "the device failed; its own log says how"
    assert "Ann" in caplog.text


def test_a_part_that_is_not_on_the_list_never_leaves(
    grid: InProcessGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("privacy.secagg.client.SecAggClient.setup", lambda *_: b"s" * (65 << 20))
    assert "more than" in refusal(ask(grid, "query.setup", setup=b"x")).text
