"""Keeping opinions: what is kept, taken back, forgotten and exported (F1 to F4)."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mien.errors import ConfigError, ModelError, VaultError
from models.registry import build
from models.weights import save_model
from recommend.feedback.features import Situation
from recommend.feedback.prior import prior_of
from recommend.feedback.store import MOST, Feedback
from recommend.feedback.taste import NO_PRIOR, Prior
from recommend.knowledge.load import shipped
from recommend.preferences import Preferences

NAMES = [rule.id for rule in shipped().rules if rule.domain != "care"]
WISHES = Preferences(occasion="evening", style="glam", minutes=30.0)


def test_a_like_survives_the_process_and_says_what_it_was_for(tmp_path: Path) -> None:
    Feedback.open(tmp_path).record("blush-flush", True, WISHES)
    again = Feedback.open(tmp_path)
    (kept,) = again.opinions()
    assert (kept.rule, kept.liked, kept.situation) == (
        "blush-flush",
        True,
        Situation("evening", "glam", 30.0),
    )
    status = again.status()
    assert (status.liked, status.not_for_me, status.sharing, status.prior) == (1, 0, False, "none")
    assert status.guard == "file"


def test_nothing_of_it_is_readable_on_the_disk(tmp_path: Path) -> None:
    Feedback.open(tmp_path).record("blush-flush", True, WISHES)
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert not any(word in content for word in (b"blush", b"evening", b"glam", b"liked"))


def test_what_is_kept_is_what_F1_lists(tmp_path: Path) -> None:
    feedback = Feedback.open(tmp_path)
    feedback.record("blush-flush", True, Preferences(confirmed={"lid_type": "monolid"}, season="winter"))
    (kept,) = feedback.export()["opinions"]
    assert set(kept) == {"rule", "group", "situation", "liked", "features", "title"}
    assert set(kept["situation"]) == {"occasion", "style", "minutes"}
    assert "monolid" not in json.dumps(kept)
    assert "winter" not in json.dumps(kept)


def test_export_is_plain_and_holds_no_key(tmp_path: Path) -> None:
    feedback = Feedback.open(tmp_path)
    feedback.record("blush-flush", True, WISHES)
    text = json.dumps(feedback.export())
    header = json.loads((tmp_path / "vault.json").read_bytes())
    secrets = [(tmp_path / "vault.key").read_text().strip(), *header["keys"].values()]
    secrets += [key.hex() for key in feedback._vault._keys.values()]
    assert not any(secret in text for secret in secrets)
    assert "Where you flush by nature" in text


def test_undo_brings_the_older_opinion_back(tmp_path: Path) -> None:
    feedback = Feedback.open(tmp_path)
    assert feedback.undo() is None
    feedback.record("blush-flush", True, WISHES)
    feedback.record("blush-flush", False, WISHES)
    assert [each.liked for each in feedback.opinions()] == [False]
    taken = feedback.undo()
    assert taken is not None
    assert not taken.liked
    assert [each.liked for each in feedback.opinions()] == [True]


def test_reset_forgets_all_and_no_key_opens_what_was_there(tmp_path: Path) -> None:
    feedback = Feedback.open(tmp_path)
    feedback.record("blush-flush", True, WISHES)
    feedback.use_prior(Prior({"lips": 1.0}, 0.0, "a run"))
    feedback.sharing(True)
    place = tmp_path / "feedback.sealed"
    old = place.read_bytes()
    feedback.reset()
    assert not place.exists()
    assert feedback.status().liked == 0
    assert not feedback.status().sharing
    assert feedback.taste().empty
    assert feedback.export() == {
        "schema": 1,
        "sharing": False,
        "prior": {"weights": {}, "bias": 0.0, "origin": "none"},
        "opinions": [],
    }
    place.write_bytes(old)
    with pytest.raises(VaultError):
        Feedback.open(tmp_path).status()


def test_the_oldest_are_forgotten_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST == 500
    monkeypatch.setattr("recommend.feedback.store.MOST", 3)
    feedback = Feedback.open(tmp_path)
    for name in NAMES[:5]:
        feedback.record(name, True, WISHES)
    assert [each.rule for each in feedback.opinions()] == NAMES[2:5]


def test_unknown_rules_care_and_priors_of_other_versions_are_refused(tmp_path: Path) -> None:
    feedback = Feedback.open(tmp_path)
    care = next(rule.id for rule in shipped().rules if rule.domain == "care")
    for name in ("nonsense", care):
        with pytest.raises(ConfigError):
            feedback.record(name, True, WISHES)
    with pytest.raises(ConfigError, match="expected features"):
        feedback.use_prior(Prior({"weight of the person": 1.0}, 0.0, "x"))
    assert feedback.opinions() == ()


def test_a_rule_that_the_artist_removed_still_counts(tmp_path: Path) -> None:
    Feedback.open(tmp_path).record("blush-flush", True, WISHES)
    base = shipped()
    smaller = base.replaced(rules=tuple(rule for rule in base.rules if rule.id != "blush-flush"))
    feedback = Feedback.open(tmp_path, knowledge=smaller)
    assert feedback.export()["opinions"][0]["title"] is None
    blush = [rule for rule in smaller.rules if rule.domain == "blush"]
    assert feedback.taste().judge(blush, Situation("evening", "glam", 30.0), smaller)[0].logit > 0


def test_a_passphrase_guards_it_from_then_on(tmp_path: Path) -> None:
    feedback = Feedback.open(tmp_path)
    feedback.record("blush-flush", True, WISHES)
    feedback.protect("open sesame")
    with pytest.raises(VaultError):
        Feedback.open(tmp_path)
    assert Feedback.open(tmp_path, passphrase="open sesame").status().guard == "passphrase"


def _records(folder: str, names: list[str]) -> None:
    feedback = Feedback.open(Path(folder))
    for name in names:
        feedback.record(name, True, WISHES)


def test_two_processes_forget_nothing_of_each_other(tmp_path: Path) -> None:
    Feedback.open(tmp_path)
    context = multiprocessing.get_context("fork")
    halves = [NAMES[:12], NAMES[12:24]]
    processes = [context.Process(target=_records, args=(str(tmp_path), half)) for half in halves]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert {each.rule for each in Feedback.open(tmp_path).opinions()} == set(NAMES[:24])


def test_prior_of_a_trained_model(tmp_path: Path) -> None:
    model = build("rule_prior", seed=3)
    save_model(tmp_path / "m.safetensors", model, "rule_prior")
    found = prior_of(tmp_path / "m.safetensors")
    parameters = dict(model.named_parameters())
    assert list(found.weights.values()) == pytest.approx(parameters["output.weight"].detach()[0].tolist())
    assert found.bias == pytest.approx(float(parameters["output.bias"].detach()))
    assert "m.safetensors" in found.origin
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    with pytest.raises(ModelError, match="no checkpoints"):
        prior_of(tmp_path / "run")
    save_model(folder / "round-00001.safetensors", build("rule_prior", seed=1), "rule_prior")
    save_model(folder / "round-00012.safetensors", model, "rule_prior")
    assert prior_of(tmp_path / "run").weights == found.weights
    save_model(tmp_path / "other.safetensors", build("skin"), "skin")
    with pytest.raises(ModelError, match="expected 'rule_prior'"):
        prior_of(tmp_path / "other.safetensors")


class Model(RuleBasedStateMachine):
    """Any sequence of what a person can do, against a list."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.temporary = tempfile.TemporaryDirectory()
        self.feedback = Feedback.open(Path(self.temporary.name))
        self.said: list[tuple[str, bool]] = []
        self.shared = False

    @rule(name=st.sampled_from(NAMES[:4]), liked=st.booleans())
    def record(self, name: str, liked: bool) -> None:
        self.feedback.record(name, liked, WISHES)
        self.said.append((name, liked))

    @rule()
    def undo(self) -> None:
        taken = self.feedback.undo()
        assert (taken and (taken.rule, taken.liked)) == (self.said.pop() if self.said else None)

    @rule()
    def reset(self) -> None:
        self.feedback.reset()
        self.said, self.shared = [], False

    @rule(on=st.booleans())
    def share(self, on: bool) -> None:
        self.feedback.sharing(on)
        self.shared = on

    @rule()
    def reopen(self) -> None:
        self.feedback = Feedback.open(Path(self.temporary.name))

    @invariant()
    def agrees(self) -> None:
        newest = dict(self.said)
        assert {each.rule: each.liked for each in self.feedback.opinions()} == newest
        status = self.feedback.status()
        assert status.sharing == self.shared
        assert status.liked == sum(newest.values())
        assert dict.fromkeys(rule for rule, _ in status.hidden) == dict.fromkeys(
            sorted(name for name, liked in newest.items() if not liked)
        )
        assert status.prior == NO_PRIOR.origin

    def teardown(self) -> None:
        self.temporary.cleanup()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)
