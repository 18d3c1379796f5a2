"""The description and the server say the same: requests drawn from /openapi.json, answers checked against it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from recommend.serve import responses
from recommend.serve.problems import EVERY, InternalError, say, status_of

MODELS = {
    "/reading": responses.Reread, "/look": responses.Advised, "/sheet": responses.SheetData,
    "/track": responses.TrackedData, "/face": responses.FaceData, "/options": responses.OptionsData,
    "/status": responses.Status, "/forget": responses.Forgotten, "/feedback": responses.Counted,
    "/feedback/undo": responses.Counted, "/feedback/reset": responses.FeedbackData,
    "/feedback/sharing": responses.FeedbackData, "/session": responses.SessionData,
}  # fmt: skip
BODILESS = ("/feedback/undo", "/feedback/reset")
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def description(client) -> dict:
    return client.get("/openapi.json").json()


class Drawer:
    """Draws values of a JSON Schema (the parts of it that this description uses), sometimes wrong on purpose."""

    def __init__(self, description: dict, known: dict[str, list[str]]) -> None:
        self.components, self.known = description["components"]["schemas"], known

    def of(self, schema: dict, name: str = "") -> st.SearchStrategy[Any]:
        right = self.right(schema, name)
        return st.integers(0, 40).flatmap(lambda n: JUNK if n == 40 else right)

    def right(self, schema: dict, name: str) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            return self.right(self.components[schema["$ref"].rpartition("/")[2]], name)
        if "anyOf" in schema:
            return st.one_of(*(self.right(one, name) for one in schema["anyOf"]))
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        kind = schema.get("type")
        if kind == "object":
            return self.of_object(schema)
        if kind == "array":
            return self.of_array(schema, name)
        if kind == "string":
            good = st.sampled_from(self.known[name]) if name in self.known else st.text(max_size=12)
            return st.one_of(good, good, st.from_regex(schema["pattern"])) if "pattern" in schema else good
        if kind in ("number", "integer"):
            low = schema.get("minimum", schema.get("exclusiveMinimum", -1e6))
            high = schema.get("maximum", schema.get("exclusiveMaximum", 1e6))
            return st.integers(int(low), int(high)) if kind == "integer" else st.floats(low, high)
        return {"boolean": st.booleans(), "null": st.none()}.get(kind, JUNK)

    def of_object(self, schema: dict) -> st.SearchStrategy[Any]:
        required = set(schema.get("required", ()))
        fields = {key: self.of(part, key) for key, part in schema.get("properties", {}).items()}
        if not fields:
            return st.lists(st.sampled_from(self.known["told"]), max_size=3).map(dict)
        return st.fixed_dictionaries(
            {key: part for key, part in fields.items() if key in required},
            optional={key: part for key, part in fields.items() if key not in required},
        )

    def of_array(self, schema: dict, name: str) -> st.SearchStrategy[Any]:
        if name in ("landmarks", "hairline"):
            return st.sampled_from(self.known[name])
        if "prefixItems" in schema:
            return st.tuples(*(self.right(part, name) for part in schema["prefixItems"])).map(list)
        return st.lists(self.of(schema["items"], name), min_size=schema.get("minItems", 0), max_size=2)


def operations(description) -> list[tuple[str, str, dict]]:
    return [
        (path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_description_is_whole(description):
    found = operations(description)
    assert {path for path, _, _ in found} >= set(MODELS)
    for path, method, operation in found:
        assert operation["description"], f"{method} {path} says what it does"
        for status, answer in operation["responses"].items():
            assert answer["description"] is not None
            assert re.fullmatch(r"\d{3}", status)
            content = answer.get("content", {})
            assert content, f"{method} {path} {status} says what it answers"
            if status != "200":
                assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/Failed"}
        if method == "post" and path not in BODILESS:
            assert operation["requestBody"]["content"], f"{path} says what it takes"
    text = json.dumps(description)
    for reference in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert reference in description["components"]["schemas"]


def test_requests_drawn_from_the_description_get_answers_that_it_allows(client, description, reading, photo):
    points = reading["reading"]["landmarks"]
    options = client.get("/options").json()["data"]
    cards = client.post("/look", json={"reading": reading["id"]}).json()["data"]["look"]["cards"]
    known = {
        "reading": [reading["id"]] * 8 + ["0" * 32],
        "landmarks": [points, [[x + 1, y - 1] for x, y in points], points[:5], [[0, 0]] * 68],
        "image": [base64.b64encode(photo).decode(), "", "AAAA"],
        "photos": [base64.b64encode(photo).decode(), "AAAA"],
        "hairline": [reading["hairline"], [0, 0], [1e6, -1e6], [5]],
        "rule": [card["rule"] for card in cards],
        "told": [(one["id"], answer["id"]) for one in options["attributes"] for answer in one["answers"]],
        **{name: [entry["id"] for entry in entries] for name, entries in options["choices"].items()},
    }
    drawer, seen = Drawer(description, known), set()
    asked = [
        (path, method, operation)
        for path, method, operation in operations(description)
        if "{" not in path
        and path not in ("/track", "/forget", "/feedback/export")  # no JSON, no envelope, or all readings
    ]

    @settings(
        max_examples=110, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        client.get(f"/reading/{reading['id']}/photo")  # in use, so it is not pushed out by others
        path, method, operation = data.draw(st.sampled_from(asked))
        language = data.draw(st.sampled_from(["", "?language=zh", "?language=xx", "?language=%00"]))
        if method == "get" or path in BODILESS:
            answer = client.request(method, path + language)
        else:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            body = json.dumps(
                data.draw(drawer.of(schema))
            )  # NaN and Infinity are meant: they are sent as such
            answer = client.post(path + language, content=body, headers={"Content-Type": "application/json"})
        allowed = operation["responses"]
        assert str(answer.status_code) in allowed, answer.text
        seen.add((path, answer.status_code))
        if answer.status_code == 200:
            TypeAdapter(responses.Done[MODELS[path]]).validate_json(answer.content)
        else:
            failed = responses.Failed.model_validate_json(answer.content)
            assert failed.kind != "InternalError", failed.detail

    ask()
    for path in MODELS:
        if path in ("/look", "/sheet", "/face", "/options", "/status"):
            assert (path, 200) in seen, f"{path} was also asked rightly"
    assert {400, 422} <= {status for _, status in seen}
    assert ("/look", 422) in seen


@settings(
    max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(name=st.text(min_size=1, max_size=40).filter(lambda text: "/" not in text))
def test_any_name_in_an_address_is_answered(client, name):
    from urllib.parse import quote

    for address in (
        f"/reading/{quote(name, safe='')}/photo",
        f"/sheet/{quote(name, safe='')}",
        f"/{quote(name, safe='')}",
    ):
        answer = client.get(address)
        assert answer.status_code in (400, 404), (address, answer.text)
        responses.Failed.model_validate_json(answer.content)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_error_has_words_a_code_and_a_status(kind, language):
    said = say(kind("detail"), language)
    responses.Failed.model_validate(said)
    assert said["message"] != said["next"]
    assert 400 <= status_of(kind("detail")) < 600
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in said["message"] + said["next"])
    assert chinese == (language == "zh")
    if kind is not InternalError:
        assert said["message"] != say(InternalError(""), language)["message"]


def test_every_code_is_in_the_docs(repository):
    page = (repository / "docs" / "serve.md").read_text(encoding="utf-8")
    for kind in EVERY:
        assert re.search(rf"\| {kind.exit_code} \| `{kind.__name__}` \| {status_of(kind(''))} \|", page), (
            kind.__name__
        )
