"""The vault's guarantees V1 to V4, attacked."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import VaultError
from privacy import vault_keys
from privacy.randomness import TestOnlySource
from privacy.vault import Vault

COST = (vault_keys.MEMORY_KIB, vault_keys.PASSES, vault_keys.LANES)
SECRET = b"the person liked a red lip in the evening"


@pytest.fixture(autouse=True)
def _cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a guess cheap: the cost is a constant of its own test."""
    monkeypatch.setattr(vault_keys, "MEMORY_KIB", 32)
    monkeypatch.setattr(vault_keys, "PASSES", 1)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_reads_back_in_a_new_process_and_with_each_guard(tmp_path: Path) -> None:
    for guard, passphrase in (("file", None), ("passphrase", "open sesame")):
        vault = Vault.open(tmp_path / guard, guard=guard, passphrase=passphrase)
        vault.write("feedback", SECRET)
        again = Vault.open(tmp_path / guard, passphrase=passphrase)
        assert again.guard == guard
        assert again.read("feedback") == SECRET
        assert again.names() == ("feedback",)


@settings(max_examples=40, deadline=None)
@given(contents=st.dictionaries(st.sampled_from("abcdef"), st.binary(max_size=9000), max_size=4))
def test_any_contents_come_back_also_after_rotation(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("vault")
    vault = Vault.open(folder, guard="file")
    for name, content in contents.items():
        vault.write(name, content)
    vault.rotate()
    assert {name: Vault.open(folder).read(name) for name in vault.names()} == contents


def test_no_file_shows_the_content_and_sizes_are_rounded(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, guard="file")
    vault.write("one", SECRET)
    vault.write("two", SECRET * 20)
    assert not any(SECRET[:12] in content for content in files(tmp_path).values())
    assert (tmp_path / "one.sealed").stat().st_size == (tmp_path / "two.sealed").stat().st_size


def test_equal_contents_never_give_equal_bytes(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, guard="file")
    seen = set()
    for _ in range(50):
        vault.write("same", SECRET)
        seen.add((tmp_path / "same.sealed").read_bytes()[12:40])  # salt and nonce
    assert len(seen) == 50


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, guard="file", source=TestOnlySource(1, "vault"))
    vault.write("entry", SECRET)
    place = tmp_path / "entry.sealed"
    whole = place.read_bytes()
    for index in [*range(60), *range(60, len(whole), 97), len(whole) - 1]:
        place.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
        with pytest.raises(VaultError):
            vault.read("entry")


@pytest.mark.parametrize("length", [0, 1, 7, 11, 39, 40, 55, 4000, 4151])
def test_a_cut_file_is_found(tmp_path: Path, length: int) -> None:
    vault = Vault.open(tmp_path, guard="file")
    vault.write("entry", SECRET)
    place = tmp_path / "entry.sealed"
    place.write_bytes(place.read_bytes()[:length])
    with pytest.raises(VaultError, match="cut short"):
        vault.read("entry")


def test_a_longer_file_a_swapped_and_a_foreign_one_are_found(tmp_path: Path) -> None:
    vault, other = Vault.open(tmp_path / "a", guard="file"), Vault.open(tmp_path / "b", guard="file")
    vault.write("entry", SECRET)
    vault.write("another", b"x")
    other.write("entry", b"forged")
    place = tmp_path / "a" / "entry.sealed"
    for bad in (
        place.read_bytes() + b"\0",
        (tmp_path / "a" / "another.sealed").read_bytes(),
        (tmp_path / "b" / "entry.sealed").read_bytes(),
    ):
        place.write_bytes(bad)
        with pytest.raises(VaultError, match="not what was sealed"):
            vault.read("entry")


def test_wrong_passphrase_missing_passphrase_and_empty_one(tmp_path: Path) -> None:
    Vault.open(tmp_path, passphrase="right").write("entry", SECRET)
    with pytest.raises(VaultError, match="passphrase is wrong"):
        Vault.open(tmp_path, passphrase="wrong")
    with pytest.raises(VaultError, match="expected one, got none"):
        Vault.open(tmp_path)
    with pytest.raises(VaultError, match="empty"):
        Vault.open(tmp_path, passphrase="")


def test_another_vault_in_its_place_is_found_where_a_passphrase_was_expected(tmp_path: Path) -> None:
    Vault.open(tmp_path / "mine", passphrase="right")
    Vault.open(tmp_path / "thief", guard="file")
    shutil.rmtree(tmp_path / "mine")
    shutil.copytree(tmp_path / "thief", tmp_path / "mine")
    with pytest.raises(VaultError, match="somebody put another vault"):
        Vault.open(tmp_path / "mine", passphrase="right")


def test_every_field_of_the_header_is_authenticated_or_checked(tmp_path: Path) -> None:
    Vault.open(tmp_path, passphrase="right").write("entry", SECRET)
    place = tmp_path / "vault.json"
    header = json.loads(place.read_bytes())
    changes = [
        {"format": "other"},
        {"version": 2},
        {"vault": "00" * 16},
        {"vault": "zz"},
        {"keys": {}},
        {"keys": {"0": header["keys"]["1"]}},
        {"keys": {"2": header["keys"]["1"]}},
        {"keys": {"1": header["keys"]["1"][:-2]}},
        {"keys": {"1": ""}},
        {"guard": {**header["guard"], "salt": "00" * 16}},
        {"guard": {**header["guard"], "salt": "00"}},
        {"guard": {**header["guard"], "passes": 2}},
        {"guard": {**header["guard"], "memory_kib": 1 << 40}},  # must not be allocated
        {"guard": {**header["guard"], "lanes": 0}},
        {"guard": {**header["guard"], "kdf": "none"}},
        {"guard": {"kind": "nobody"}},
        {"guard": []},
    ]
    for change in changes:
        place.write_bytes(json.dumps({**header, **change}).encode())
        with pytest.raises(VaultError):
            Vault.open(tmp_path, passphrase="right")
    for raw in (b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000):
        place.write_bytes(raw)
        with pytest.raises(VaultError, match="damaged"):
            Vault.open(tmp_path, passphrase="right")
    place.write_bytes(json.dumps(header).encode())
    assert Vault.open(tmp_path, passphrase="right").read("entry") == SECRET


def test_entries_without_a_header_are_not_buried_under_a_new_one(tmp_path: Path) -> None:
    Vault.open(tmp_path, guard="file").write("entry", SECRET)
    (tmp_path / "vault.json").unlink()
    with pytest.raises(VaultError, match="Restore the header"):
        Vault.open(tmp_path, guard="file")


def test_key_file_is_private_and_refused_when_it_is_not(tmp_path: Path) -> None:
    Vault.open(tmp_path, guard="file").write("entry", SECRET)
    key = tmp_path / "vault.key"
    assert {path.stat().st_mode & 0o777 for path in (key, tmp_path / "entry.sealed")} == {0o600}
    key.chmod(0o644)
    with pytest.raises(VaultError, match="chmod 600"):
        Vault.open(tmp_path)
    key.chmod(0o600)
    key.write_bytes(b"not a key")
    with pytest.raises(VaultError, match="does not hold a key"):
        Vault.open(tmp_path)
    key.unlink()
    with pytest.raises(VaultError, match="cannot be read"):
        Vault.open(tmp_path)


def test_a_key_file_elsewhere_is_never_overwritten(tmp_path: Path) -> None:
    Vault.open(tmp_path / "a", guard="file", key_file=tmp_path / "key").write("entry", SECRET)
    assert Vault.open(tmp_path / "a", key_file=tmp_path / "key").read("entry") == SECRET
    with pytest.raises(VaultError, match="another vault"):
        Vault.open(tmp_path / "b", guard="file", key_file=tmp_path / "key")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", ".hidden", "a" * 65, "a\0", "é"])
def test_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    vault = Vault.open(tmp_path, guard="file")
    for act in (vault.read, vault.delete, lambda bad: vault.write(bad, b"")):
        with pytest.raises(VaultError, match="cannot name an entry"):
            act(name)


def test_rotation_leaves_no_key_for_old_bytes(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, guard="file")
    vault.write("gone", SECRET)
    vault.write("kept", SECRET)
    old = (tmp_path / "gone.sealed").read_bytes()
    vault.delete("gone")
    vault.rotate()
    (tmp_path / "gone.sealed").write_bytes(old)
    for each in (vault, Vault.open(tmp_path)):
        with pytest.raises(VaultError, match="no longer has"):
            each.read("gone")
    assert vault.read("kept") == SECRET


def test_a_new_passphrase_replaces_the_old_guard(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, guard="file")
    vault.write("entry", SECRET)
    vault.rotate(passphrase="new")
    assert not (tmp_path / "vault.key").exists()
    assert Vault.open(tmp_path, passphrase="new").read("entry") == SECRET
    with pytest.raises(VaultError):
        Vault.open(tmp_path)


def test_another_process_that_had_it_open_follows_a_rotation(tmp_path: Path) -> None:
    first, second = Vault.open(tmp_path, guard="file"), Vault.open(tmp_path)
    first.write("entry", b"old")
    first.rotate()
    assert second.read("entry") == b"old"
    first.rotate()
    second.write("entry", b"new")
    assert first.read("entry") == b"new"


def test_destroy_leaves_nothing_and_ends_those_who_had_it_open(tmp_path: Path) -> None:
    vault, other = Vault.open(tmp_path, guard="file"), Vault.open(tmp_path)
    vault.write("entry", SECRET)
    vault.destroy()
    assert set(files(tmp_path)) <= {".vault.lock"}
    with pytest.raises(VaultError, match="destroyed"):
        other.write("entry", SECRET)
    with pytest.raises(VaultError):
        vault.read("entry")


def test_missing_entry_says_which_there_are(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, guard="file")
    vault.write("here", b"")
    assert vault.read("here") == b""
    with pytest.raises(VaultError, match="expected one of here"):
        vault.read("there")
    vault.delete("there")


WRITER = """
import sys
from pathlib import Path
from privacy.vault import Vault
vault = Vault.open(Path(sys.argv[1]))
print("ready", flush=True)
number = 0
while True:
    number += 1
    if sys.argv[2] == "write":
        vault.write("entry", number.to_bytes(4, "big") * 20_000)
    else:
        vault.rotate()
"""


@pytest.mark.parametrize("what", ["write", "rotate"])
def test_kill_at_any_instant_loses_nothing(tmp_path: Path, what: str, repository: Path) -> None:
    vault = Vault.open(tmp_path, guard="file")
    vault.write("entry", (0).to_bytes(4, "big") * 20_000)
    vault.write("other", SECRET)
    last = 0
    for attempt in range(4):
        command = [sys.executable, "-c", WRITER, str(tmp_path), what]
        environment = {**os.environ, "PYTHONPATH": str(repository)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.013 * (attempt + 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        again = Vault.open(tmp_path)
        content = again.read("entry")
        number = int.from_bytes(content[:4], "big")
        assert content == number.to_bytes(4, "big") * 20_000
        assert again.read("other") == SECRET
        if what == "write":
            last = max(last, number)
        else:
            assert len(json.loads((tmp_path / "vault.json").read_bytes())["keys"]) == 1
        assert not list(tmp_path.glob(".*.sealed.*"))
    assert what == "rotate" or last > 0


def test_a_rotation_cut_short_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault.open(tmp_path, guard="file")
    for name in ("a", "b", "c"):
        vault.write(name, name.encode())
    whole = Vault._sealed
    calls = iter(range(10))

    def dies(self: Vault, name: str, content: bytes) -> bytes:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return whole(self, name, content)

    monkeypatch.setattr(Vault, "_sealed", dies)
    with pytest.raises(KeyboardInterrupt):
        vault.rotate()
    monkeypatch.undo()
    assert len(json.loads((tmp_path / "vault.json").read_bytes())["keys"]) == 2
    again = Vault.open(tmp_path)
    assert {name: again.read(name) for name in again.names()} == {"a": b"a", "b": b"b", "c": b"c"}
    assert len(json.loads((tmp_path / "vault.json").read_bytes())["keys"]) == 1


def test_keyring_guard(tmp_path: Path) -> None:
    keyring = pytest.importorskip("keyring", reason="the optional package keyring is not installed")
    backend = pytest.importorskip("keyring.backend")

    class InMemory(backend.KeyringBackend):
        priority = 5

        def __init__(self) -> None:
            self.kept: dict[tuple[str, str], str] = {}

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def delete_password(self, service: str, username: str) -> None:
            del self.kept[service, username]

    before, own = keyring.get_keyring(), InMemory()
    keyring.set_keyring(own)
    try:
        vault = Vault.open(tmp_path)
        assert vault.guard == "keyring"
        vault.write("entry", SECRET)
        assert Vault.open(tmp_path).read("entry") == SECRET
        held = dict(own.kept)
        own.kept.clear()
        with pytest.raises(VaultError, match="has no key"):
            Vault.open(tmp_path)
        own.kept.update(held)
        vault.destroy()
        assert own.kept == {}
    finally:
        keyring.set_keyring(before)


def test_without_a_keyring_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(VaultError, match="pip install keyring"):
        Vault.open(tmp_path, guard="keyring")
    assert Vault.open(tmp_path).guard == "file"


def test_the_cost_of_a_guess_is_that_of_rfc_9106() -> None:
    assert COST == (64 * 1024, 3, 4)
