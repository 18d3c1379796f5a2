"""A server that only watches tries every seed: it finds short ones, Flower's folded ones, and none of ours."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy.secagg.keys import Session

BITS = 16
PROBE = 8  # elements that a candidate must bring into the range of an update


def short(key: bytes) -> bytes:
    """Return a key of 256 bits that holds only ``BITS`` bits of ``key``."""
    return hashlib.sha256(b"short" + key[: BITS // 8]).digest()


def search(residual, candidates):
    """Return the vectors that removing one candidate's mask turns into small integers."""
    found = []
    for key in candidates:
        stream = AESGCM(key).encrypt(bytes(12), bytes(4 * PROBE), None)[: 4 * PROBE]
        words = np.frombuffer(stream, dtype="<u4")
        for operation in (np.add, np.subtract):
            if (np.abs(operation(residual[:PROBE], words).view("<i4")) <= 1000).all():
                whole = AESGCM(key).encrypt(bytes(12), bytes(residual.nbytes), None)[:-16]
                found.append(operation(residual, np.frombuffer(whole, dtype="<u4")).view("<i4"))
    return found


def watched(attack):
    """Run an honest round of three with one colluder: one pairwise mask is left on the victim's vector."""
    adversary = attack(3, colluders=[2])
    adversary.set_up()
    adversary.upload_all()
    for name in adversary.plan.cohort:
        assert adversary.unmask(name, adversary.plan.cohort)
    victim = adversary.plan.cohort[0]
    words, left = adversary.strip(victim)
    assert left == 1
    return adversary, victim, words


def candidates():
    return (short(number.to_bytes(BITS // 8, "little")) for number in range(1 << BITS))


def test_a_search_of_truncated_seeds_finds_no_mask(attack):
    adversary, victim, words = watched(attack)
    assert search(words, candidates()) == []
    assert not adversary.recovered(victim)


def test_control_with_seeds_cut_to_16_bits_the_vector_is_found(attack, monkeypatch):
    honest = Session.mask_key
    monkeypatch.setattr(Session, "mask_key", lambda *arguments: short(honest(*arguments)))
    adversary, victim, words = watched(attack)
    found = search(words, candidates())
    assert len(found) == 1
    np.testing.assert_array_equal(found[0], adversary.vectors[victim])


def test_the_keys_of_masks_have_no_structure_that_would_shorten_a_search(attack, uniform):
    keys = []
    for seed in range(4):
        adversary = attack(24, seed=seed)
        adversary.set_up()
        for name in adversary.plan.cohort:
            session = adversary.session_of(name)
            keys.append(session.keys.self_mask_key(session.self_seed, name))
            keys += [peer.mask_key for peer in session.peers if peer.name > name]
    assert len(set(keys)) == len(keys) == 4 * (24 + 24 * 23 // 2)
    table = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32)
    assert uniform(table.ravel())
    for column in range(0, 32, 4):
        assert len({key[column : column + 4] for key in keys}) == len(keys), "32 bits repeat too early"
    ones = np.unpackbits(table, axis=1).mean(axis=0)
    assert np.abs(ones - 0.5).max() < 5 * 0.5 / np.sqrt(len(keys)), "a bit of the keys is biased"


def folded(key: bytes) -> int:
    words = np.frombuffer(key, dtype="<u4")
    return int(np.bitwise_xor.reduce(words))


def test_the_folded_seeds_of_flower_fall_to_the_same_search_scaled_down():
    """28 bits are left of Flower 1.41's pairwise keys; here the searcher is told half of them."""
    utilities = pytest.importorskip("flwr.common.secure_aggregation.secaggplus_utils")
    crypto = pytest.importorskip("flwr.common.secure_aggregation.crypto.symmetric_encryption")
    from cryptography.hazmat.primitives.asymmetric import ec

    key = crypto.generate_shared_key(
        ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1()).public_key()
    )
    secret = np.random.default_rng(1).integers(-1000, 1001, 64)
    masked = (secret + utilities.pseudo_rand_gen(key, 1 << 32, [(64,)])[0]) % (1 << 32)

    known = folded(key) & ~0x7F7F
    free = [high << 8 | low for high in range(128) for low in range(128)]  # base64 leaves 7 bits a byte
    found = []
    for guess in free:
        stream = np.random.RandomState(known | guess).randint(0, (1 << 32) - 1, PROBE, dtype=np.int64)
        signed = ((masked[:PROBE] - stream + (1 << 31)) % (1 << 32)) - (1 << 31)
        if (np.abs(signed) <= 1000).all():
            found.append(known | guess)
    assert found == [folded(key)]
    twin = int(found[0]).to_bytes(4, "little")  # four bytes stand in for the whole key
    unmasked = (masked - utilities.pseudo_rand_gen(twin, 1 << 32, [(64,)])[0]) % (1 << 32)
    np.testing.assert_array_equal(((unmasked + (1 << 31)) % (1 << 32)) - (1 << 31), secret)
