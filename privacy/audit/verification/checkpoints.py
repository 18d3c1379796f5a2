"""Checkpoints against the transcript: the weights on the disk are those that a round gave, to the bit.

The file format (safetensors: header length, JSON header, raw tensors) and the hash of weights (SHA-256 of the
layout's hash and the little-endian float32 values, tensors in order of their names) are read anew here.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from privacy.audit.verification.chain import canonical
from privacy.audit.verification.findings import Findings
from privacy.audit.verification.folder import Folder
from privacy.audit.verification.rounds import Round

_NAME = re.compile(r"checkpoints/(?:round-(\d+)|best)\.safetensors")
_FORMAT = "mien-weights-1"
_MEMBERS = {"format", "model", "options", "layout", "weights", "notes"}


class _Damaged(Exception):  # noqa: N818 - becomes a finding
    pass


def check_checkpoints(
    folder: Folder,
    rounds: list[Round],
    metrics: list[dict[str, Any]],
    config: dict[str, Any],
    findings: Findings,
) -> None:
    """Check every checkpoint of a round that is in the folder."""
    models = {one.number: one.model for one in rounds}
    lines = {line["round"]: line for line in metrics}
    count = 0
    for name, data in folder.files.items():
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        count += match[1] is not None
        try:
            header, body = _parse(data)
            weights = _weights_hash(header, body)
            about = header["__metadata__"]
            options = json.loads(about["options"])
            notes = json.loads(about["notes"])
            number = int(match[1] or notes["round"])
        except (_Damaged, KeyError, ValueError, TypeError) as error:
            findings.fault("altered", name, f"not a whole safetensors file: {error}")
            continue
        line = lines.get(number, {})
        if match[1] is None:
            _check_best(name, line, metrics, findings)
        expected = {
            "weights": (about["weights"], weights),
            "model after the round": (weights, models.get(number)),
            "model": (about["model"], config["model"]["name"]),
            "options": (options, config["model"]["options"]),
            "format": (about["format"], _FORMAT),
            "layout": (about["layout"], _layout_hash(header)),
            "notes": (
                notes,
                {"round": str(number), "loss": str(line.get("loss")), "epsilon": str(line.get("epsilon"))},
            ),
        }
        for field, (found, wanted) in expected.items():
            if found != wanted:
                findings.fault(
                    "altered", name, "the checkpoint is not what the round left", field=field,
                    expected=wanted, found=found,
                )  # fmt: skip
    findings.checked("checkpoints", count)
    if models and max(models) and count == 0:
        findings.fault("missing", "checkpoints", "no checkpoint of any round is there")


def _check_best(name: str, line: dict[str, Any], metrics: list[dict[str, Any]], findings: Findings) -> None:
    """The best model is that of the lowest evaluation loss of the rounds that opened a sum."""
    losses = [one["loss"] for one in metrics if one.get("loss") is not None and not one.get("aborted")]
    if losses and line.get("loss") != min(losses):
        findings.fault(
            "altered", name, "another round than the best is kept as the best", field="loss",
            expected=min(losses), found=line.get("loss"),
        )  # fmt: skip


def _parse(data: bytes) -> tuple[dict[str, Any], bytes]:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 + size:
        raise _Damaged("its header is cut short")
    text = data[8 : 8 + size]
    header = json.loads(text.decode("utf-8"))
    if not isinstance(header, dict) or text.rstrip(b" ")[-1:] != b"}":
        raise _Damaged("its header is not one object")
    if set(header.get("__metadata__", {})) != _MEMBERS:
        raise _Damaged("its metadata are not those of Mien's weights")
    return header, data[8 + size :]


def _tensors(header: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: header[name] for name in sorted(header) if name != "__metadata__"}


def _layout_hash(header: dict[str, Any]) -> str:
    tensors = _tensors(header)
    shapes = [tensor["shape"] for tensor in tensors.values()]
    return hashlib.sha256(canonical([_FORMAT, list(tensors), shapes])).hexdigest()


def _weights_hash(header: dict[str, Any], body: bytes) -> str:
    digest = hashlib.sha256(bytes.fromhex(_layout_hash(header)))
    covered = 0
    for name, tensor in _tensors(header).items():
        start, end = tensor["data_offsets"]
        if tensor["dtype"] != "F32" or set(tensor) != {"dtype", "shape", "data_offsets"}:
            raise _Damaged(f"tensor {name!r} is not float32")
        digest.update(body[start:end])
        covered += end - start
    if covered != len(body):
        raise _Damaged("bytes belong to no tensor")
    return digest.hexdigest()
