"""The shipped knowledge base holds together, and every kind of planted fault is found."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path

import pytest

from mien.errors import ConfigError
from recommend.knowledge.load import load, shipped
from recommend.knowledge.model import DOMAINS, Channel, Condition, Steps, Text, schema
from recommend.knowledge.validate import validate


def replaced(**entries):
    """The shipped knowledge base with entries of some kinds replaced by name: {kind: {id: new entry}}."""
    kb = shipped()
    return kb.replaced(
        **{
            kind: tuple(changes.get(entry.id, entry) for entry in getattr(kb, kind))
            for kind, changes in entries.items()
        }
    )


def rule(name, **changes):
    found = next(entry for entry in shipped().rules if entry.id == name)
    return {"rules": {name: found.model_copy(update=changes)}}


def kinds(kb, profiles=0):
    return {problem.kind for problem in validate(kb, profiles=profiles)}


def messages(kb, profiles=0):
    return " ".join(problem.message for problem in validate(kb, profiles=profiles))


def test_the_shipped_knowledge_base_has_no_problem_on_5000_people():
    assert validate(shipped(), profiles=5000) == []


def test_it_is_as_large_as_promised_and_complete_in_both_languages():
    kb = shipped()
    assert len(kb.rules) >= 100
    assert {entry.domain for entry in kb.rules} == set(DOMAINS)
    assert len(kb.zones) == 50
    assert all(entry.steps.zh and entry.reason.zh and entry.title.zh for entry in kb.rules)


def test_a_different_seed_proves_it_too():
    assert validate(shipped(), profiles=500, seed=17) == []


EN, ZH = "One clear step.", "清楚的一步。"
FAULTS = {
    "unknown zone": (rule("blush-oval", zones=("cheek_swep",)), "reference", "cheek_swep"),
    "unknown recipe": (rule("blush-oval", colours=("blush_tune",)), "reference", "blush_tune"),
    "unknown source": (rule("blush-oval", sources=("A99",)), "reference", "A99"),
    "unknown tool": (rule("blush-oval", tools=("hammer",)), "reference", "hammer"),
    "unknown conflict": (rule("blush-oval", conflicts=("nobody",)), "reference", "nobody"),
    "unknown attribute": (
        rule("blush-oval", when=(Condition(attribute="faceshape", any_of=("oval",)),)), "reference", "faceshape",
    ),
    "unknown answer": (
        rule("blush-oval", when=(Condition(attribute="face_shape", any_of=("egg",)),)), "reference", "egg",
    ),
    "empty condition": (rule("blush-oval", when=(Condition(attribute="face_shape"),)), "condition", "any_of"),
    "a condition that excludes nobody": (
        rule("blush-oval", when=(Condition(attribute="jaw_width", any_of=("narrow", "medium", "wide")),)),
        "condition", "Leave it out",
    ),
    "nose without opt-in": (
        rule("blush-oval", when=(Condition(attribute="nose_width", any_of=("wide",)),)), "condition", "opt_in",
    ),
    "a step missing in Chinese": (
        rule("blush-oval", steps=Steps(en=(EN, EN), zh=(ZH,))), "language", "the same steps",
    ),
    "English left in the Chinese text": (rule("blush-oval", title=Text(en=EN, zh=EN)), "language", "Translate"),
    "Chinese in the English text": (rule("blush-oval", title=Text(en=ZH, zh=ZH)), "language", "Translate"),
    "a denied English word": (
        rule("blush-oval", reason=Text(en="It hides a flaw.", zh=ZH)), "denied word", "hides",
    ),
    "a denied Chinese word": (
        rule("blush-oval", reason=Text(en=EN, zh="遮住缺点，更完美。")), "denied word", "缺点",
    ),
    "light and shade on one place": (
        rule("light-cheekbone", zones=("cheek_hollow",)), "contradiction", "lightens what the other darkens",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_planted_fault_is_found(fault):
    changes, kind, words = FAULTS[fault]
    kb = replaced(**changes)
    assert kind in kinds(kb)
    assert words in messages(kb)


def test_a_duplicate_name_is_found():
    kb = shipped().replaced(rules=(*shipped().rules, shipped().rules[0]))
    assert "duplicate" in kinds(kb)


def test_a_landmark_that_does_not_exist_is_found():
    zone = shipped().zone("chin_tip")
    bad = zone.model_copy(update={"points": (*zone.points[:-1], ("lerp", 7, ("up", 68, 0.1), 0.3))})
    assert "landmark 68" in messages(replaced(zones={"chin_tip": bad}))


def test_a_missing_notice_is_found():
    wording = {key: text for key, text in shipped().wording.items() if key != "next.blurred"}
    assert "next.blurred" in messages(shipped().replaced(wording=wording))


def test_unlike_places_in_the_two_languages_are_found():
    wording = dict(shipped().wording)
    wording["why.minutes"] = Text(en="You have {value} minutes.", zh="你有 {limit} 分钟。")
    assert "different places" in messages(shipped().replaced(wording=wording))


def test_a_part_of_the_face_left_without_advice_is_found():
    rules = tuple(entry for entry in shipped().rules if entry.id != "brow-own-line")
    problems = validate(shipped().replaced(rules=rules), profiles=400)
    assert any(problem.kind == "coverage" and "brows" in problem.message for problem in problems)


def test_a_rule_that_nobody_can_get_is_found():
    impossible = (
        Condition(attribute="minutes", at_most=0.5),
        Condition(attribute="face_shape", any_of=("oval",)),
    )
    kb = replaced(**rule("blush-oval", when=impossible))
    assert any(p.kind == "unreachable" and p.entry == "blush-oval" for p in validate(kb, profiles=1000))


def test_a_recipe_turned_round_is_a_contradiction():
    recipe = (
        shipped().recipe("highlight").model_copy(update={"direction": "darken", "lightness": Channel(add=-9)})
    )
    kb = replaced(recipes={"highlight": recipe})
    assert "contradiction" in kinds(kb)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    with resources.as_file(resources.files("recommend") / "knowledge") as folder:
        shutil.copytree(folder, tmp_path / "kb")
    return tmp_path / "kb"


def test_an_edited_copy_loads(copy):
    path = copy / "rules" / "lips.json"
    rules = json.loads(path.read_text(encoding="utf-8"))
    rules[0]["title"]["en"] = "A new title"
    path.write_text(json.dumps(rules), encoding="utf-8")
    assert any(entry.title.en == "A new title" for entry in load(copy).rules)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("zones.json", "[{", r"zones.json → line 1, column 3: is not JSON"),
        ("recipes.json", '[{"id": "x"}]', r"recipes.json → x → names: Field required"),
        (
            "rules/eyes.json",
            '[{"id": "x", "colour": "red"}]',
            r"rules/eyes.json → x → domain: Field required",
        ),
        ("wording.json", None, "wording.json: the file does not exist"),
    ],
)
def test_a_damaged_file_is_named_with_the_place(copy, name, content, words):
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        load(copy)


def test_the_json_schema_names_every_file_and_refuses_unknown_fields():
    schemas = schema()
    assert set(schemas) == {"attributes", "zones", "recipes", "sources", "rules", "wording"}
    assert schemas["rules"]["$defs"]["Rule"]["additionalProperties"] is False
