from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mien.errors import ProtocolError
from privacy.secagg import masking
from privacy.secagg.memory import aligned_empty

WORDS = masking.BLOCK // 4
LENGTHS = (1, 5, WORDS - 1, WORDS, WORDS + 1, 2 * WORDS + 7)


def key(number: int) -> bytes:
    return bytes([number]) * 32


def reference(seed: bytes, length: int, bits: int) -> np.ndarray:
    """The same mask from AES-256 in counter mode, block by block, as the protocol's text has it."""
    size, out = length * bits // 8, b""
    for number in range(-(-size // masking.BLOCK)):
        counter = number.to_bytes(12, "little") + (2).to_bytes(4, "big")
        encryptor = Cipher(algorithms.AES(seed), modes.CTR(counter)).encryptor()
        out += encryptor.update(bytes(min(masking.BLOCK, size - len(out))))
    return np.frombuffer(out, dtype=f"<u{bits // 8}")


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_mask_is_the_keystream_of_aes_in_counter_mode(length, bits):
    np.testing.assert_array_equal(masking.expand(key(1), length, bits), reference(key(1), length, bits))


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("length", LENGTHS)
def test_opposite_masks_cancel(length, bits):
    vector = np.arange(length).astype(f"u{bits // 8}")
    masked = vector.copy()
    masking.add_masks(masked, [(key(1), True), (key(2), False)])
    assert length < 5 or not np.array_equal(masked, vector)
    masking.add_masks(masked, [(key(2), True), (key(1), False)])
    np.testing.assert_array_equal(masked, vector)


@settings(max_examples=20, deadline=None)
@given(length=st.integers(1, 3 * WORDS), in_place=st.booleans(), seed=st.integers(0, 99))
def test_masking_a_vector_and_adding_it_up(length, in_place, seed):
    rng = np.random.default_rng(seed)
    vector = rng.integers(-1000, 1001, length).astype(np.int32)
    kept = vector.copy()
    out = vector.view(np.uint32) if in_place else np.empty(length, np.uint32)
    masks = [(key(1), True), (key(2), False), (key(3), True)]
    tag = masking.mask_vector(vector, masks, key(9), 1000, out)
    expected = kept.view(np.uint32) + sum(
        (masking.expand(k, length, 32) if plus else -masking.expand(k, length, 32) for k, plus in masks),
        np.zeros(length, np.uint32),
    )
    np.testing.assert_array_equal(out, expected)
    total = np.full(length, 7, np.uint32)
    assert masking.add_checked(total, out, key(9), tag)
    np.testing.assert_array_equal(total, out + np.uint32(7))


def test_an_altered_vector_is_not_added():
    vector = np.arange(WORDS + 100, dtype=np.int32)
    out = np.empty(len(vector), np.uint32)
    tag = masking.mask_vector(vector, [(key(1), True)], key(9), 1 << 30, out)
    total = np.full(len(vector), 3, np.uint32)
    for change in (0, WORDS - 1, WORDS, len(out) - 1):
        altered = out.copy()
        altered[change] ^= 1
        assert not masking.add_checked(total, altered, key(9), tag)
    swapped = np.concatenate([out[1:2], out[:1], out[2:]])
    assert not masking.add_checked(total, swapped, key(9), tag)
    assert not masking.add_checked(total, out, key(8), tag)
    assert not masking.add_checked(total, out, key(9), bytes(16))
    assert (total == 3).all(), "a refused vector leaves no trace in the sum"
    assert masking.add_checked(total, out, key(9), tag)


@pytest.mark.parametrize("value", [1001, -1001, np.iinfo(np.int32).min, np.iinfo(np.int32).max])
@pytest.mark.parametrize("place", [0, WORDS, WORDS + 9])
def test_an_element_beyond_the_bound_is_refused_without_being_told(value, place):
    vector = np.zeros(WORDS + 10, np.int32)
    vector[place] = value
    with pytest.raises(ProtocolError, match="beyond ±1000") as error:
        masking.mask_vector(vector, [(key(1), True)], key(9), 1000, np.empty(len(vector), np.uint32))
    assert str(abs(int(value))) not in str(error.value), "the message goes to the server"


def test_half_overlapping_memory_is_refused():
    memory = np.zeros(100, np.int32)
    with pytest.raises(ProtocolError, match="out overlaps the vector"):
        masking.mask_vector(memory[:50], [], key(9), 10, memory.view(np.uint32)[10:60])


@pytest.mark.parametrize("bits", [32, 64])
def test_a_masked_vector_is_uniform(bits):
    """A vector of zeros under two masks: bytes, bits and neighbouring words look uniform."""
    length = 1 << 18
    out = np.empty(length, masking.field_dtype(bits))
    vector = np.zeros(length, f"<i{bits // 8}")
    masking.mask_vector(vector, [(key(1), True), (key(2), False)], key(9), 0, out)
    raw = out.view(np.uint8)
    assert stats.chisquare(np.bincount(raw, minlength=256)).pvalue > 1e-4
    ones = int(np.unpackbits(raw).sum())
    assert abs(ones - 4 * len(raw)) < 5 * np.sqrt(2 * len(raw))
    pairs = raw[:-1].astype(np.int64) * 256 + raw[1:]
    assert stats.chisquare(np.bincount(pairs, minlength=1 << 16)).pvalue > 1e-4
    real = out.astype(np.float64) / 2.0**bits
    assert stats.kstest(real, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(real[:-1], real[1:])[0, 1]) < 5 / np.sqrt(length)
    assert len(np.unique(out.reshape(-1, 4), axis=0)) == length // 4, "no 128-bit block appears twice"


def test_aligned_memory_begins_on_a_cache_line():
    for length in (1, 3, 1000):
        array = aligned_empty(length, np.dtype(np.uint32))
        assert array.ctypes.data % 64 == 0
        assert array.shape == (length,)
        assert array.flags.c_contiguous
        assert array.flags.writeable
