"""The hot loop: masks from a stream cipher, added in cache-sized blocks; the tag of a masked vector.

A mask is the keystream of AES-256 in counter mode: block ``i`` (256 KiB) of the mask under key ``K`` is the
encryption of zeros under AES-256-GCM with ``i`` as its 96-bit little-endian nonce, that is, the counter blocks
``i ‖ 2, i ‖ 3, …``. GCM is used for its speed (one fused kernel, in the L2 cache); its tags are ignored.

Guarantees:

M1. A mask is indistinguishable from uniform field elements to whoever lacks its key: AES-256 as a
    pseudo-random permutation; for 2^28 blocks of one mask the distance is below 2^-72. The key has 256 bits
    because a server sees many masked vectors at once: with 2^30 masks in a year, 128-bit keys would leave
    about 2^98 work to find *one* of them, 256-bit keys leave 2^226. It costs 8 % more here.
M2. No (key, nonce) pair is used twice: a key belongs to one mask of one session, a nonce to one block, and
    :class:`~privacy.secagg.client.SecAggClient` masks once per session.
M3. A vector that was altered on its way is refused: every block has a GCM tag under a key that only the
    client and the server hold, used once; the tags are hashed into the signed header. A forgery succeeds
    with probability below 2^-110.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from mien.errors import ProtocolError

BLOCK = 1 << 18
"""Bytes of a mask under one nonce; part of the protocol. Three such blocks fit the L2 cache."""
_ZEROS = bytes(BLOCK)
_TAG = 16

Mask = tuple[bytes, bool]
"""A mask's 32-byte key, and whether it is added (True) or subtracted."""
FieldVector = NDArray[np.uint32] | NDArray[np.uint64]


def field_dtype(bits: int) -> np.dtype[Any]:
    """Return the little-endian unsigned dtype of a field of ``bits``."""
    return np.dtype(f"<u{bits // 8}")


def _blocks(vector: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    step = BLOCK // vector.itemsize
    for number, start in enumerate(range(0, len(vector), step)):
        yield number, vector[start : start + step]


class _Keystream:
    """Block after block of several masks through one buffer."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._buffer = bytearray(BLOCK + _TAG)
        self._words = np.frombuffer(self._buffer, dtype=dtype, count=BLOCK // dtype.itemsize)

    def block(self, cipher: AESGCM, number: int, count: int) -> NDArray[Any]:
        """Return ``count`` words of block ``number``; valid until the next call."""
        size = count * self._words.itemsize
        nonce = number.to_bytes(12, "little")
        if size == BLOCK:
            cipher.encrypt_into(nonce, _ZEROS, None, self._buffer)
        else:
            cipher.encrypt_into(nonce, _ZEROS[:size], None, memoryview(self._buffer)[: size + _TAG])
        return self._words[:count]


def expand(key: bytes, length: int, bits: int) -> FieldVector:
    """Return the whole mask of ``key``: ``length`` elements of a field of ``bits``. For tests and vectors."""
    out = np.zeros(length, dtype=field_dtype(bits))
    add_masks(out, [(key, True)])
    return out


def add_masks(vector: FieldVector, masks: Iterable[Mask]) -> None:
    """Add or subtract ``masks`` to ``vector`` in place, modulo its word size. One pass over the vector."""
    ciphers = [(AESGCM(key), np.add if plus else np.subtract) for key, plus in masks]
    keystream = _Keystream(vector.dtype)
    for number, block in _blocks(vector):
        for cipher, operation in ciphers:
            operation(block, keystream.block(cipher, number, len(block)), out=block)


class _Tagger:
    """Collects the tags of a vector's blocks."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._buffer = bytearray(BLOCK + _TAG)
        self._hash = hashlib.sha256()

    def update(self, number: int, block: NDArray[Any]) -> None:
        size = block.nbytes
        view = memoryview(self._buffer)[: size + _TAG]
        self._cipher.encrypt_into(number.to_bytes(12, "little"), block.view(np.uint8).data, None, view)
        self._hash.update(view[size:])

    def digest(self, length: int) -> bytes:
        self._hash.update(length.to_bytes(8, "little"))
        return self._hash.digest()


def mask_vector(
    vector: NDArray[Any], masks: Iterable[Mask], tag_key: bytes, bound: int, out: FieldVector
) -> bytes:
    """Write ``vector`` plus ``masks`` to ``out`` and return the 32-byte tag of ``out`` under ``tag_key``.

    ``vector`` holds signed integers of ``out``'s word size, each at most ``bound`` in magnitude; ``out`` may
    be its own memory. Raises ProtocolError, leaving ``out`` undefined, where an element is beyond the bound.
    """
    ciphers = [(AESGCM(key), np.add if plus else np.subtract) for key, plus in masks]
    keystream, tagger = _Keystream(out.dtype), _Tagger(tag_key)
    words = vector.view(out.dtype)
    for (number, source), (_, block) in zip(_blocks(words), _blocks(out), strict=True):
        signed = source.view(vector.dtype)
        low, high = int(signed.min()), int(signed.max())
        if max(-low, high) > bound:
            raise ProtocolError(
                f"upload: an element of block {number} is in [{low}, {high}], beyond ±{bound}; the sum could wrap "
                "around. Encode the vector with the plan that it is uploaded under"
            )
        first = True
        for cipher, operation in ciphers:
            operation(source if first else block, keystream.block(cipher, number, len(block)), out=block)
            first = False
        tagger.update(number, block)
    return tagger.digest(len(out))


def add_checked(total: FieldVector, vector: FieldVector, tag_key: bytes, tag: bytes) -> bool:
    """Add ``vector`` to ``total`` in place if its tag is ``tag``; return whether it was.

    One pass: the sum and the tag are made block by block. A vector that fails is subtracted again.
    """
    tagger = _Tagger(tag_key)
    for (number, block), (_, sums) in zip(_blocks(vector), _blocks(total), strict=True):
        tagger.update(number, block)
        np.add(sums, block, out=sums)
    if tagger.digest(len(vector)) == tag:
        return True
    np.subtract(total, vector, out=total)
    return False
