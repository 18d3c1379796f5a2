"""Likes over the interface: kept encrypted, heeded by the next look, exported, taken back, forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from privacy.vault import Vault
from recommend.serve.opinions import Opinions
from recommend.serve.responses import Advised, Counted, Done, Failed, FeedbackData


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "feedback"


@pytest.fixture
def mine(make_client, folder):
    return make_client(opinions=Opinions(folder))


@pytest.fixture
def seen(mine, photo):
    """A reading that was advised on, and the rules of its cards that are a matter of taste."""
    name = mine.post("/reading", files={"photo": ("a", photo)}).json()["data"]["id"]
    look = mine.post("/look", json={"reading": name, "preferences": {"occasion": "evening"}}).json()["data"]
    assert look["taste"] == "none"
    return name, [card["rule"] for card in look["look"]["cards"] if card["domain"] != "care"]


def kept(answer):
    assert answer.status_code == 200, answer.text
    return FeedbackData.model_validate(Done[FeedbackData].model_validate_json(answer.content).data)


def test_nothing_is_on_the_disk_before_the_first_opinion(mine, seen, folder):
    assert kept(mine.get("/feedback")).count == 0
    assert mine.get("/feedback/export").json()["opinions"] == []
    assert kept(mine.post("/feedback/sharing", json={"on": False})).guard is None
    kept(mine.post("/feedback/reset"))
    assert mine.post("/feedback/undo").json()["data"] == {"count": 0}
    assert not folder.exists()


def test_what_is_not_for_me_is_not_shown_again_and_can_be_taken_back(mine, seen, folder):
    name, rules = seen
    answer = mine.post("/feedback", json={"reading": name, "rule": rules[0], "liked": False})
    assert Done[Counted].model_validate_json(answer.content).data.count == 1

    def look(occasion="evening"):
        answer = mine.post("/look", json={"reading": name, "preferences": {"occasion": occasion}})
        data = answer.json()["data"]
        Done[Advised].model_validate_json(answer.content)
        return [card["rule"] for card in data["look"]["cards"]], data["taste"]

    after, taste = look()
    assert taste == "applied"
    assert rules[0] not in after
    assert (
        mine.post("/feedback", json={"reading": name, "rule": rules[1], "liked": True}).json()["data"][
            "count"
        ]
        == 2
    )
    status = kept(mine.get("/feedback"))
    assert (status.count, status.liked, status.not_for_me, status.sharing) == (2, 1, 1, False)
    exported = mine.get("/feedback/export")
    assert "attachment" in exported.headers["content-disposition"]
    assert [each["rule"] for each in exported.json()["opinions"]] == rules[:2]
    assert exported.json()["opinions"][0]["situation"]["occasion"] == "evening", "of the look that was shown"
    for path in folder.rglob("*"):
        assert not path.is_file() or rules[0].encode() not in path.read_bytes(), "encrypted"
    for left in (1, 0):
        assert mine.post("/feedback/undo").json()["data"] == {"count": left}
    assert rules[0] in look()[0]


def test_sharing_is_off_until_it_is_switched_on_and_after_a_reset(mine, seen):
    name, rules = seen
    mine.post("/feedback", json={"reading": name, "rule": rules[0], "liked": True})
    assert kept(mine.get("/feedback")).sharing is False
    assert kept(mine.post("/feedback/sharing", json={"on": True})).sharing is True
    status = kept(mine.post("/feedback/reset"))
    assert (status.count, status.sharing) == (0, False)


def test_wrong_opinions_are_refused(mine, seen):
    name, rules = seen
    care = [
        card["rule"] for card in mine.post("/look", json={"reading": name}).json()["data"]["look"]["cards"]
    ]
    care = next(rule for rule in care if rule.startswith("care"))
    for body, status in [
        ({"reading": name, "rule": "no-such-rule", "liked": True}, 422),
        ({"reading": name, "rule": care, "liked": True}, 422),
        ({"reading": "0" * 32, "rule": rules[0], "liked": True}, 404),
        ({"reading": name, "rule": rules[0]}, 400),
        ({"reading": name, "rule": rules[0], "liked": "perhaps"}, 400),
    ]:
        answer = mine.post("/feedback", json=body)
        assert answer.status_code == status, answer.text
        Failed.model_validate_json(answer.content)


def test_advice_is_given_when_the_store_cannot_be_opened(make_client, folder, photo):
    Vault.open(folder, guard="passphrase", passphrase="right")
    locked = make_client(opinions=Opinions(folder, passphrase="wrong"))
    name = locked.post("/reading", files={"photo": ("a", photo)}).json()["data"]["id"]
    look = locked.post("/look", json={"reading": name}).json()["data"]
    assert look["taste"] == "unavailable"
    assert len(look["look"]["cards"]) >= 10
    answer = locked.get("/feedback")
    assert answer.status_code == 503
    assert Failed.model_validate_json(answer.content).kind == "VaultError"
    rule = next(card["rule"] for card in look["look"]["cards"] if card["domain"] != "care")
    assert locked.post("/feedback", json={"reading": name, "rule": rule, "liked": True}).status_code == 503
    rightly = make_client(opinions=Opinions(folder, passphrase="right"))
    assert kept(rightly.get("/feedback")).guard == "passphrase"
