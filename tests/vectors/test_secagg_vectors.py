"""The known answers of secure aggregation: two programs without common code agree, and the vectors are fresh."""

from __future__ import annotations

import copy
import importlib.util
import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
FILE = HERE / "secagg-v1.json"
SECTIONS = ("keys", "shares", "graphs", "masks", "agreement", "rounds")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"vectors_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_second_program_confirms_every_vector_without_any_code_of_the_first():
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(HERE)!r});"
        f"runpy.run_path({str(HERE / 'verify_secagg.py')!r}, run_name='__main__');"
        "sys.exit(bool({'privacy', 'mien', 'numpy'} & {name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("secagg-v1.json: ")
    assert int(run.stdout.split()[1]) > 1000


def test_the_vectors_are_what_the_product_does_today(tmp_path):
    fresh = json.loads(json.dumps(load("generate_secagg").vectors()))
    kept = json.loads(FILE.read_text())
    for section in SECTIONS:
        assert fresh[section] == kept[section], f"{section}: run generate_secagg.py, or raise the version"


def test_the_vectors_are_small():
    assert FILE.stat().st_size < 300_000


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to every text and number in ``tree``."""
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in leaves(value, (*path, key))]
    if isinstance(tree, list):
        return [leaf for index, value in enumerate(tree) for leaf in leaves(value, (*path, index))]
    return [path]


def altered(tree: Any, path: tuple[Any, ...], rng: random.Random) -> Any:
    """Return a copy of ``tree`` in which one digit at ``path`` is another."""
    tree = copy.deepcopy(tree)
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    value = parent[path[-1]]
    if isinstance(value, int):
        parent[path[-1]] = value + 1
    else:
        at = rng.randrange(len(value) // 4, 1 + len(value) // 2)
        digit = rng.choice([one for one in "0123456789" if one != value[at]])
        parent[path[-1]] = value[:at] + digit + value[at + 1 :]
    return tree


@pytest.mark.parametrize("section", SECTIONS)
def test_the_second_program_notices_any_digit_that_is_altered(section, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    rng, vectors, verifier = random.Random(section), json.loads(FILE.read_text()), load("verify_secagg")
    vectors |= {other: [] for other in SECTIONS if other != section}
    target = tmp_path / "altered.json"
    target.write_text(json.dumps(vectors))
    verifier.main(target)
    for path in rng.sample(leaves(vectors[section]), 12):
        target.write_text(json.dumps(altered(vectors, (section, *path), rng)))
        with pytest.raises(Exception):  # noqa: B017, PT011 - a forged message may fail in many ways
            verifier.main(target)
