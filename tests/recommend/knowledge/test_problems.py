"""Every kind of defect of an artist's folder is found and named by file, entry and field."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path

import pytest

from mien.errors import ConfigError
from recommend.knowledge import load as loading
from recommend.knowledge.checks import STATIC
from recommend.knowledge.load import KNOWLEDGE_VARIABLE, current, shipped, use
from recommend.knowledge.model import schema
from recommend.knowledge.problem import line_of
from recommend.knowledge.validate import check_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with resources.as_file(resources.files("recommend") / "knowledge") as source:
        shutil.copytree(source, tmp_path / "kb", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return tmp_path / "kb"


def edit(folder: Path, file: str, entry: str, **changes: object) -> None:
    """Change fields of one entry; a value of None removes the field."""
    path = folder / file
    content = json.loads(path.read_text(encoding="utf-8"))
    found = content[entry] if isinstance(content, dict) else next(e for e in content if e["id"] == entry)
    for name, value in changes.items():
        if value is None:
            del found[name]
        else:
            found[name] = value
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def attribute(name: str) -> dict:
    return json.loads(shipped().attribute(name).model_dump_json())


TEXT = {"en": "One.", "zh": "一。"}
BLUSH = "rules/blush.json"
# kind of defect, file, entry, changes, field that must be named
PLANTED = [
    ("schema", BLUSH, "blush-oval", {"minutes": "soon"}, "minutes"),
    ("schema", BLUSH, "blush-oval", {"evidence": "D"}, "evidence"),
    ("schema", BLUSH, "blush-oval", {"title": None}, "title"),
    ("schema", BLUSH, "blush-oval", {"colour": "red"}, "colour"),
    ("schema", BLUSH, "blush-oval", {"title": {"en": "Only English"}}, "title.zh"),
    ("schema", BLUSH, "blush-oval", {"steps": {"en": ["a"] * 6, "zh": ["一"] * 6}}, "steps.en"),
    ("schema", "zones.json", "chin_tip", {"points": [["sideways", 3, 0.1]]}, "points"),
    ("schema", "recipes.json", "highlight", {"visible": 99}, "visible"),
    ("file", BLUSH, "blush-oval", {"domain": "lips"}, "domain"),
    ("duplicate", BLUSH, "blush-oval", {"id": "blush-flush"}, "id"),
    ("reference", BLUSH, "blush-oval", {"zones": ["cheek_swep"]}, "zones"),
    ("reference", BLUSH, "blush-oval", {"colours": ["blush_tune"]}, "colours"),
    ("reference", BLUSH, "blush-oval", {"sources": ["A99"]}, "sources"),
    ("reference", BLUSH, "blush-oval", {"tools": ["hammer"]}, "tools"),
    ("reference", BLUSH, "blush-oval", {"conflicts": ["nobody"]}, "conflicts"),
    ("reference", BLUSH, "blush-oval", {"when": [{"attribute": "faceshape", "any_of": ["oval"]}]}, "when.0"),
    ("reference", BLUSH, "blush-oval", {"when": [{"attribute": "face_shape", "any_of": ["egg"]}]}, "when.0"),
    ("condition", BLUSH, "blush-oval", {"when": [{"attribute": "face_shape"}]}, "when.0"),
    ("condition", BLUSH, "blush-oval", {"when": [{"attribute": "nose_width", "any_of": ["wide"]}]}, "opt_in"),
    ("denied word", BLUSH, "blush-oval", {"reason": {"en": "It hides a flaw.", "zh": "一。"}}, "reason"),
    ("denied word", "zones.json", "chin_tip", {"where": {"en": "Here.", "zh": "完美的下巴"}}, "where"),
    ("language", BLUSH, "blush-oval", {"title": {"en": "One.", "zh": "One."}}, "title"),
    ("language", BLUSH, "blush-oval", {"steps": {"en": ["a", "b"], "zh": ["一"]}}, "steps"),
    ("reference", "zones.json", "chin_tip", {"points": [7, 8, 68]}, "points"),
    ("condition", "zones.json", "chin_tip", {"points": [7, 8]}, "kind"),
    ("condition", "zones.json", "chin_tip", {"needs_hairline": True}, "needs_hairline"),
    ("reference", "attributes.json", "jaw_width", {"id": "jaw_wdth"}, "id"),
    ("condition", "attributes.json", "jaw_width", {"answers": attribute("jaw_width")["answers"][:2]}, "answers"),
    ("missing", "attributes.json", "occasion", {"answers": attribute("occasion")["answers"][1:]}, "answers"),
    ("missing", "attributes.json", "lid_type", {"kind": "chosen"}, "kind"),
    ("missing", "wording.json", "why.minutes", {"en": "{price}", "zh": "{price} 分钟"}, ""),
    ("contradiction", "rules/highlight.json", "light-cheekbone", {"zones": ["cheek_hollow"]}, "zones"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "file", "entry", "changes", "field"), PLANTED)
def test_a_planted_defect_is_located(folder, kind, file, entry, changes, field):
    edit(folder, file, entry, **changes)
    _, problems = check_folder(folder, profiles=0)
    found = [problem for problem in problems if problem.kind == kind]
    assert found, [str(problem) for problem in problems]
    changed = {entry, str(changes.get("id", entry))}
    if kind == "contradiction":  # stands at either of the two rules, and names both
        assert any(entry in problem.message and problem.field == field for problem in found)
        return
    assert any(
        problem.file == file and problem.entry in changed and problem.field.startswith(field)
        for problem in found
    ), [str(problem) for problem in found]
    line = line_of(folder, next(p for p in found if p.entry in changed))
    text = (folder / file).read_text(encoding="utf-8").splitlines()
    assert any(name in text[line - 1] for name in changed)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("zones.json", b"[{", "line 1, column 3"),
        ("sources.json", None, "does not exist"),
        ("recipes.json", b"\xff\xfe[]", "UTF-8"),
        ("wording.json", b"[]", "wording.json"),
        ("rules/eyes.json", b"{}", "rules/eyes.json"),
        ("rules/eyes.json", b"[3]", "#1"),
    ],
)
def test_a_damaged_file_is_named(folder, file, content, words):
    (folder / file).unlink() if content is None else (folder / file).write_bytes(content)
    knowledge, problems = check_folder(folder)
    assert knowledge is None
    assert all(problem.file == file for problem in problems)
    assert words in str(problems[0])


def test_several_defects_are_found_at_once(folder):
    edit(folder, BLUSH, "blush-oval", minutes="soon")
    edit(folder, "zones.json", "chin_tip", kind="square")
    (folder / "recipes.json").write_text("[", encoding="utf-8")
    _, problems = check_folder(folder)
    assert {problem.file for problem in problems} == {BLUSH, "zones.json", "recipes.json"}


def test_a_wording_that_the_program_needs_may_not_be_missing(folder):
    path = folder / "wording.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["label.where"]
    path.write_text(json.dumps(content), encoding="utf-8")
    _, problems = check_folder(folder)
    assert [(p.kind, p.entry) for p in problems] == [("missing", "label.where")]


def test_coverage_names_the_part_that_is_left_without_advice(folder):
    path = folder / "rules" / "brows.json"
    rules = [rule for rule in json.loads(path.read_text(encoding="utf-8")) if rule["id"] != "brow-own-line"]
    path.write_text(json.dumps(rules), encoding="utf-8")
    _, problems = check_folder(folder, profiles=400)
    assert ("coverage", "rules/brows.json") in {(p.kind, p.file) for p in problems}


def test_every_static_check_is_exercised_above():
    assert len(STATIC) == 8
    assert {kind for kind, *_ in PLANTED} >= {
        "duplicate", "reference", "condition", "missing", "denied word", "language", "contradiction",
    }  # fmt: skip


def test_an_own_folder_is_proven_and_then_used(folder, monkeypatch):
    monkeypatch.setenv(KNOWLEDGE_VARIABLE, "")
    assert current() is shipped()
    edit(folder, BLUSH, "blush-flush", title={"en": "My own words", "zh": "我的说法"})
    use(folder)
    assert any(rule.title.en == "My own words" for rule in current().rules)


def test_an_own_folder_in_the_environment_is_used_by_feedback_and_the_page(folder, monkeypatch, tmp_path):
    """Both would refuse a rule that only the artist's folder has."""
    from privacy.vault import Vault
    from recommend.feedback.store import Feedback
    from recommend.preferences import Preferences
    from recommend.serve.opinions import Opinions

    path = folder / BLUSH
    rules = json.loads(path.read_text(encoding="utf-8"))
    rules.append({**rules[0], "id": "blush-my-own", "group": "blush-my-own"})
    path.write_text(json.dumps(rules, ensure_ascii=False), encoding="utf-8")
    feedback = Feedback.open(tmp_path / "before")
    with pytest.raises(ConfigError, match="blush-my-own"):
        feedback.record("blush-my-own", True, Preferences())
    monkeypatch.setenv(KNOWLEDGE_VARIABLE, str(folder))
    Feedback.open(tmp_path / "after").record("blush-my-own", True, Preferences())
    assert Opinions(tmp_path / "page").record("blush-my-own", liked=True, wishes=Preferences()) == 1
    assert Vault.guard_of(tmp_path / "page") is not None
    loading._proven.cache_clear()


def test_a_defective_own_folder_is_not_used(folder, monkeypatch):
    edit(folder, BLUSH, "blush-flush", zones=["nowhere"])
    monkeypatch.setenv(KNOWLEDGE_VARIABLE, str(folder))
    with pytest.raises(ConfigError, match=r"rules/blush.json → blush-flush → zones.*mien kb check"):
        current()
    with pytest.raises(ConfigError, match="is not a folder"):
        use(folder / "nowhere")
    loading._proven.cache_clear()


def test_the_schemas_accept_the_shipped_files_and_refuse_defects():
    jsonschema = pytest.importorskip("jsonschema")
    schemas = schema()
    base = resources.files("recommend") / "knowledge"
    for name in ("attributes", "zones", "recipes", "sources", "wording"):
        jsonschema.validate(json.loads((base / f"{name}.json").read_text(encoding="utf-8")), schemas[name])
    rules = json.loads((base / "rules" / "lips.json").read_text(encoding="utf-8"))
    jsonschema.validate(rules, schemas["rules"])
    rules[0]["colour"] = "red"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(rules, schemas["rules"])
