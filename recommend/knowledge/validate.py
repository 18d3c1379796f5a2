"""Proof that a knowledge base holds together; ``mien kb check`` prints what this finds.

Checked on the data itself (``recommend.knowledge.checks``): names are unique and lead somewhere, landmarks
exist, both languages are complete and use no denied word, no two rules that can hold together pull one place
in opposite directions unless they say so, and nothing is missing that the program itself asks for. Checked on
random people (``recommend.knowledge.coverage``): every part of every face gets advice, no look contradicts
itself, every rule can be reached.
"""

from __future__ import annotations

from importlib.resources.abc import Traversable

from recommend.knowledge.checks import STATIC
from recommend.knowledge.coverage import uncovered
from recommend.knowledge.load import proving, read
from recommend.knowledge.model import KnowledgeBase
from recommend.knowledge.problem import Problem

PROFILES = 5000
QUICK_PROFILES = 300  # before a knowledge base is used, every time


def validate(knowledge: KnowledgeBase, *, profiles: int = PROFILES, seed: int = 0) -> list[Problem]:
    """Return everything that is wrong with a knowledge base; an empty list when it holds together.

    ``profiles`` random people are advised as a proof of coverage; they are skipped while names lead nowhere,
    because advice would stumble over the same faults.
    """
    found = [problem for check in STATIC for problem in check(knowledge)]
    if profiles and not any(problem.kind in ("reference", "missing") for problem in found):
        with proving(knowledge):
            found.extend(uncovered(knowledge, profiles, seed))
    return found


def check_folder(
    folder: Traversable, *, profiles: int = QUICK_PROFILES
) -> tuple[KnowledgeBase | None, list[Problem]]:
    """Read and prove the knowledge base in a folder; None where its files cannot be read."""
    knowledge, problems = read(folder)
    if knowledge is None:
        return None, problems
    return knowledge, validate(knowledge, profiles=profiles)
