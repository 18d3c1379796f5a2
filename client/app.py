"""The Flower ClientApp: four kinds of message in, one allow-listed answer out.

========== =========================================== ==========================================
message    the coordinator sends                       the device answers
========== =========================================== ==========================================
enrol      the run's name                              its public keys, signed
setup      a round's plan and the neighbours' keys     encrypted shares for its neighbours
train      the plan's model, the shares dealt to it,   one masked vector, a signed header, and the hash
           the hash of this device's last charge       of this round's charge
unmask     who survived, and the next round's set-up   locked shares, and the next round's shares
========== =========================================== ==========================================

A request that breaks the device's own policy, its budget, or the protocol is answered by a signed refusal that
says why. Errors that Mien did not foresee are answered without any detail: a traceback could hold data.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from client.device import Device
from client.participation import take_part
from configs.from_flower import config_of_app, home_of_app
from mien.errors import MienError, PrivacyError
from mien.wire import Part, array_part, bytes_part, pack, unpack
from privacy.egress import ENROL, SETUP, TRAIN, UNMASK, check_egress
from privacy.plan import RoundPlan

HOME, IN_MEMORY, NAME = "home", "in-memory", "name"
"""Keys of the node config: the folder of the device's state, whether a simulation keeps it in memory, its name."""

_LOG = logging.getLogger("mien.client")

Parts = Mapping[str, Part]


@dataclass(frozen=True)
class Answer:
    """What is to leave, and for a masked vector the plan that says how long it must be."""

    parts: dict[str, Part]
    plan: RoundPlan | None = None


app = ClientApp()


@app.query("enrol")
def enrol(message: Message, context: Context) -> Message:
    """Answer with this device's public keys."""

    def work(device: Device, parts: Parts) -> Answer:
        with device.secagg("enrol", context.run_id) as client:
            return Answer({"enrolment": client.enrol(bytes_part(parts, "run").decode())})

    return _answer(ENROL, message, context, work)


@app.query("setup")
def setup(message: Message, context: Context) -> Message:
    """Deal shares of this round's secrets to the neighbours."""

    def work(device: Device, parts: Parts) -> Answer:
        return Answer({"setup": _set_up(device, bytes_part(parts, "setup"))})

    return _answer(SETUP, message, context, work)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Charge the ledger, train, clip, encode, add noise, mask."""

    def work(device: Device, parts: Parts) -> Answer:
        request = bytes_part(parts, "upload")
        with device.secagg("train", request) as client:
            plan = client.plan_of(request)
            witnessed = (
                bytes_part(parts, "receipt").decode("ascii", "replace") if "receipt" in parts else None
            )
            result = take_part(device, plan, array_part(parts, "weights"), context.node_config, witnessed)
            header, masked = client.upload(request, result.vector)
        answer: dict[str, Part] = {"header": header, "vector": masked}
        if result.receipt is not None:
            answer["receipt"] = result.receipt.encode()
        return Answer(answer, plan)

    return _answer(TRAIN, message, context, work)


@app.query("unmask")
def unmask(message: Message, context: Context) -> Message:
    """Help to open the sum of those who survived; set the next round up if asked to."""

    def work(device: Device, parts: Parts) -> Answer:
        request = bytes_part(parts, "unmask")
        with device.secagg("unmask", request) as client:
            answer: dict[str, Part] = {"unmask": client.unmask(request)}
        if "setup" in parts:
            answer["setup"] = _set_up(device, bytes_part(parts, "setup"))
        return Answer(answer)

    return _answer(UNMASK, message, context, work)


def _set_up(device: Device, request: bytes) -> bytes:
    with device.secagg("setup", request) as client:
        return client.setup(request)


def _answer(
    kind: str, message: Message, context: Context, work: Callable[[Device, Parts], Answer]
) -> Message:
    """Run ``work`` and send its answer if it is allowed to leave, else a refusal."""
    device = device_of(context)
    parts: Parts = {}
    try:
        parts = unpack(message.content)
        answer = work(device, parts)
        length, bits = (
            (answer.plan.secagg.vector_length, answer.plan.secagg.field_bits) if answer.plan else (0, 32)
        )
        check_egress(kind, answer.parts, vector_length=length, field_bits=bits)
        return Message(pack(answer.parts), reply_to=message)
    except MienError as error:
        _LOG.warning("%s refused %s: %s", device.name, kind, error)
        reason = error
    except Exception:
        _LOG.exception("%s failed at %s", device.name, kind)
        reason = PrivacyError("the device failed; its own log says how")
    refusal = {"refusal": _refusal(device, parts, reason)}
    check_egress(kind, refusal)
    return Message(pack(refusal), reply_to=message)


def _refusal(device: Device, parts: Parts, reason: MienError) -> bytes:
    request = next((part for part in parts.values() if isinstance(part, bytes)), b"")
    with device.secagg("refuse", request) as client:
        return client.refuse(request, reason)


_DEVICES: dict[tuple[str, str], Device] = {}
"""The devices that a simulation keeps in this process's memory, by home and name."""


def device_of(context: Context) -> Device:
    """Return the device that a Flower context stands for."""
    node = context.node_config
    name = str(node.get(NAME, f"client-{int(str(node.get('partition-id', 0))):06d}"))
    home = Path(str(node.get(HOME) or home_of_app(context.run_config) / "devices" / str(context.run_id)))
    in_memory = bool(node.get(IN_MEMORY, False))
    key = (str(home), name)
    if in_memory and key in _DEVICES:
        return _DEVICES[key]
    device = Device(home, name, config_of_app(context.run_config), in_memory=in_memory)
    if in_memory:
        _DEVICES[key] = device
    return device


def forget_devices(home: Path) -> None:
    """Drop the in-memory devices of a simulation that is over."""
    for key in [key for key in _DEVICES if key[0] == str(home)]:
        del _DEVICES[key]
