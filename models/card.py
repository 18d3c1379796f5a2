"""Model cards (Mitchell et al. 2019), written by code from what a run left behind and what was measured anew.

A card is one dictionary (``MODEL_CARD.json``) and its rendering (``MODEL_CARD.md``). Every figure in it is
given by the caller; a figure that is not known is told as not measured, never left out or guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.files import write_atomic
from models.attribute_notes import excluded_uses, intended_uses, label_noise
from models.onnx_format import LICENCE

SCHEMA = 1
NOT_MEASURED = "not measured"
STEM = "MODEL_CARD"
_EVERYBODY = "everybody"
_FEEDBACK = "simulated-feedback"
_OPINIONS = (
    "The labels are opinions of simulated people about advice: they are as the simulator's authors made them."
)


def build_card(
    *,
    model: Mapping[str, Any],
    data: Mapping[str, Any],
    privacy: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    files: Sequence[Mapping[str, Any]] = (),
    limits: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a card as plain data.

    ``model`` has name, run, revision, inputs, outputs, parameters, weights (SHA-256), round; ``data`` and
    ``privacy`` are those sections of the run's report; ``results`` are rows with attribute, group, persons,
    photos, yes and the three intervals; ``files`` have name, precision, bytes, sha256; ``limits`` are
    sentences about this run alone.
    """
    outputs, synthetic = list(model["outputs"]), bool(data["synthetic"])
    own = [
        "All data are synthetic: the figures say that the learning works, and nothing about real people."
        if synthetic
        else "The test persons are those of this data set. Its people are no sample of any population.",
        "Groups of few persons are counted and not measured.",
        "Intervals cover the choice of test persons, not that of training persons, first weights or noise.",
        "With few photos the calibration error is too large: it is a mean of absolute values.",
    ]
    if any("skin" in row["group"] for row in results):
        own.append(
            "Depth of skin is measured from photos in unknown light: an order of persons, no colorimetry."
        )
    return {
        "schema": SCHEMA,
        "model": dict(model),
        "data": dict(data),
        "privacy": dict(privacy),
        "results": [dict(row) for row in results],
        "files": [dict(row) for row in files],
        "label_noise": [_OPINIONS]
        if _noun(data) == "opinions"
        else label_noise(outputs, synthetic=synthetic),
        "intended_uses": intended_uses(outputs),
        "excluded_uses": excluded_uses(outputs),
        "limits": [*limits, *own],
        "licence": LICENCE,
    }


def write_card(folder: Path, card: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write ``MODEL_CARD.md`` and ``MODEL_CARD.json`` into ``folder`` and return both paths."""
    text, data = folder / f"{STEM}.md", folder / f"{STEM}.json"
    write_atomic(text, to_markdown(card).encode())
    write_atomic(data, (json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
    return text, data


def to_markdown(card: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""
    model = card["model"]
    parts = [
        f"# Model card: {model['name']}",
        _list(
            f"run `{model['run']}`, weights after round {model['round']}",
            f"reads {', '.join(model['inputs'])}; gives {', '.join(model['outputs'])}",
            f"{model['parameters']:,} parameters; SHA-256 of the weights `{model['weights']}`",
            f"source revision `{model['revision']}`",
        ),
        "## Data",
        _data(card["data"]),
        "## Privacy",
        _privacy(card["privacy"]),
        "## Results on persons that no client had",
        *_results(card["results"], _noun(card["data"])),
    ]
    if card["files"]:
        parts += ["## Files", _files(card["files"])]
    titles = {
        "label_noise": "Labels",
        "limits": "Limits",
        "intended_uses": "Intended uses",
        "excluded_uses": "Excluded uses",
    }
    for key, title in titles.items():
        parts += [f"## {title}", _list(*card[key])]
    return "\n\n".join([*parts, "## Licence", card["licence"]]) + "\n"


def _list(*items: str) -> str:
    return "\n".join(f"* {item}" for item in items)


def _noun(data: Mapping[str, Any]) -> str:
    return "opinions" if data["source"] == _FEEDBACK else "photos"


def _data(data: Mapping[str, Any]) -> str:
    noun = _noun(data)
    kind = f"synthetic {noun}" if data["synthetic"] else f"{noun} of real people"
    return _list(
        f"source: {data['source']}, {kind}",
        f"training: {data['train_photos']:,} {noun} of {data['train_persons']:,} persons on "
        f"{data['clients']:,} clients",
        f"test: {data['test_photos']:,} {noun} of {data['test_persons']:,} other persons",
    )


def _privacy(privacy: Mapping[str, Any]) -> str:
    if privacy["mode"] == "none" or privacy["epsilon_spent"] is None:
        return (
            "**No differential privacy.** Updates were summed under secure aggregation; the "
            "model itself may reveal "
            "whose photos it was trained on."
        )
    spent, promised = f"{privacy['epsilon_spent']:.3g}", f"{privacy['epsilon_promised']:g}"
    lines = [
        f"unit: one {privacy['unit']} ({privacy['neighbouring']})",
        f"ε = {spent} of {promised} promised, at δ = {privacy['delta']:g}, against the coordinator",
        f"mode `{privacy['mode']}`; accountant: {privacy['accountant']}",
    ]
    if privacy.get("epsilon_against_recipient") is not None:
        outside = f"{privacy['epsilon_against_recipient']:.3g}"
        lines.append(f"against whoever has the model and colludes with nobody: ε = {outside}")
    if privacy.get("randomness") == "test-only":
        lines.append("**The run drew its noise from a repeatable source: it protects nobody.**")
    return _list(*lines)


_FIGURES = {"auc": "AUC", "balanced_accuracy": "balanced accuracy", "calibration_error": "calibration error"}


def _results(rows: Sequence[Mapping[str, Any]], noun: str) -> list[str]:
    if not rows:
        return [
            f"Results: {NOT_MEASURED}. The run's data set was not on the machine where this card was written."
        ]
    intro = (
        "In brackets the 95 % interval of a bootstrap over persons. AUC: 0.5 is guessing. Balanced accuracy at "
        "probability 0.5. Calibration error: expected, ten bins."
    )
    everybody = [row for row in rows if row["group"] == _EVERYBODY]
    others = [row for row in rows if row["group"] != _EVERYBODY]
    parts = [intro, _table(everybody, noun, "attribute")]
    if others:
        parts += ["### By group", _table(others, noun, "attribute", "group")]
    return parts


def _table(rows: Sequence[Mapping[str, Any]], noun: str, *names: str) -> str:
    head = [*names, "persons", noun, "yes", *_FIGURES.values()]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        counts = [f"{row[key]:,}" for key in ("persons", "photos", "yes")]
        lines.append(
            [*(str(row[name]) for name in names), *counts, *(_interval(row[key]) for key in _FIGURES)]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _interval(interval: Mapping[str, float] | None) -> str:
    if interval is None:
        return NOT_MEASURED
    return f"{interval['value']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"


def _files(files: Sequence[Mapping[str, Any]]) -> str:
    lines = [["file", "precision", "bytes", "SHA-256"], ["---"] * 4]
    lines += [[row["name"], row["precision"], f"{row['bytes']:,}", f"`{row['sha256']}`"] for row in files]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
