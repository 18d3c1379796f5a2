"""What a run's rows are, and what the report calls them: photos of faces, or a person's opinions about advice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faces.feedback import SIMULATED
from privacy.audit.words import Words, words


def is_feedback(report: Mapping[str, Any]) -> bool:
    """Return whether the run's data are opinions, without any photo."""
    return bool(report["data"]["source"] == SIMULATED)


def rows_named(report: Mapping[str, Any]) -> Words:
    """Return what one calls the run's rows, in the plural."""
    return words("opinions", "意见") if is_feedback(report) else words("photos", "照片")


def all_of_hers(report: Mapping[str, Any]) -> Words:
    """Return what is protected together with a person."""
    if is_feedback(report):
        return words("with all of her opinions", "及其全部意见")
    return words("with all of her photos", "及其全部照片")


def left_behind(report: Mapping[str, Any]) -> tuple[Words, Words]:
    """Return what stays on a device, in a list and for a sentence about what else does not leave."""
    if is_feedback(report):
        return (
            words("what its owner liked and did not stays here", "主人喜欢与不喜欢的内容留在这里"),
            words("nor a rating, a label or a name", "也没有评分、标签或姓名"),
        )
    return (
        words("photos stay here, and what is cut out of them", "照片及其裁剪图留在这里"),
        words("nor a crop, a landmark, a label or a name", "也没有裁剪图、关键点、标签或姓名"),
    )


def synthetic_note(report: Mapping[str, Any]) -> Words:
    """Return the sentence about made-up data."""
    if is_feedback(report):
        return words(
            "All opinions of this run are made up by a program; they are of no living person.",
            "本次运行的意见全部由程序虚构，不来自任何真人。",
        )
    return words(
        "All faces of this run are synthetic: drawn by a program, of no living person.",
        "本次运行的人脸全部是合成的：由程序绘制，不对应任何真人。",
    )
