"""A code that is seen by others opens nothing for them; the token never stands in a process's arguments."""

from __future__ import annotations

import webbrowser

import pytest

from recommend.serve import server
from recommend.serve.keys import CODE_SECONDS, MAX_CODES, Keys
from recommend.serve.problems import TokenError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_code_works_once_and_seen_twice_ends_the_session():
    """K2, K3: whoever was first, two who know one code are left with nothing."""
    keys = Keys()
    code = keys.issue_code()
    session = keys.redeem(code)
    assert keys.opens(session)
    assert session != keys.token
    with pytest.raises(TokenError):
        keys.redeem(code)
    assert not keys.opens(session)
    assert keys.opens(keys.token), "the person still has the link in the terminal"
    with pytest.raises(TokenError):
        keys.redeem(code)


def test_a_late_replay_neither_opens_nor_closes():
    clock = Clock()
    keys = Keys(clock=clock)
    code, late = keys.issue_code(), keys.issue_code()
    session = keys.redeem(code)
    clock.now = CODE_SECONDS
    for dead in (code, late):
        with pytest.raises(TokenError):
            keys.redeem(dead)
    assert keys.opens(session), "others who read the process list later cannot end a session"


@pytest.mark.parametrize("guess", ["", "0" * 32, "ü", "\udcff".encode("utf-8", "replace").decode()])
def test_a_guess_opens_nothing(guess):
    keys = Keys()
    keys.issue_code()
    with pytest.raises(TokenError):
        keys.redeem(guess)
    assert not keys.opens(guess)


def test_few_codes_are_kept():
    keys = Keys()
    first = keys.issue_code()
    for _ in range(MAX_CODES):
        keys.issue_code()
    with pytest.raises(TokenError):
        keys.redeem(first)


def test_the_browser_is_started_with_a_code_and_not_with_the_token(monkeypatch):
    opened, said = [], []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    keys = Keys()
    server._open("http://127.0.0.1:1/", keys, said.append, browser=True)
    for _ in range(200):
        if opened:
            break
        server.threading.Event().wait(0.01)
    assert said == [f"http://127.0.0.1:1/#token={keys.token}"]
    address, _, code = opened[0].partition("#code=")
    assert address == "http://127.0.0.1:1/"
    assert keys.token not in opened[0]
    assert keys.opens(keys.redeem(code))


def test_a_session_over_the_interface(make_client):
    keys = Keys("e" * 64)
    client = make_client(keys=keys)
    client.headers.pop("X-Mien-Token")
    body = {"code": keys.issue_code()}
    foreign = client.post("/session", json=body, headers={"Origin": "http://attacker.example"})
    assert (foreign.status_code, foreign.json()["kind"]) == (403, "ForeignOriginError")
    key = client.post("/session", json=body).json()["data"]["key"]
    assert client.get("/status").status_code == 401
    assert client.get("/status", headers={"X-Mien-Token": key}).status_code == 200
    replay = client.post("/session", json=body)
    assert (replay.status_code, replay.json()["kind"]) == (401, "TokenError")
    assert client.get("/status", headers={"X-Mien-Token": key}).status_code == 401
