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
M3. A vector that was altered on its way is refused: its GMAC (AES-256, NIST SP 800-38D) under a key that only
    the client and the server hold, used once, is in the signed header. A forgery succeeds with probability
    below 2^-100. The server can forge the tag, so it proves nothing to others.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from mien.errors import ProtocolError
from privacy.secagg.memory import aligned_empty

BLOCK = 1 << 18
"""Bytes of a mask under one nonce; part of the protocol. Three such blocks fit the L2 cache."""
_ZEROS = bytes(BLOCK)
TAG_SIZE = 16

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
    """Adds and subtracts block after block of several masks, through one buffer in the cache."""

    def __init__(self, masks: Iterable[Mask], dtype: np.dtype[Any]) -> None:
        self._ciphers = [(AESGCM(key), np.add if plus else np.subtract) for key, plus in masks]
        buffer = aligned_empty(BLOCK + TAG_SIZE, np.dtype(np.uint8))
        self._out = buffer.data
        self._words = buffer[:BLOCK].view(dtype)

    def apply(self, number: int, block: NDArray[Any]) -> None:
        """Apply block ``number`` of every mask to ``block``, in place."""
        nonce = number.to_bytes(12, "little")
        zeros, out, words = _ZEROS, self._out, self._words
        if block.nbytes < BLOCK:
            zeros, out = zeros[: block.nbytes], out[: block.nbytes + TAG_SIZE]
            words = words[: len(block)]
        for cipher, operation in self._ciphers:
            cipher.encrypt_into(nonce, zeros, None, out)
            operation(block, words, out=block)


def add_masks(vector: FieldVector, masks: Iterable[Mask]) -> None:
    """Add or subtract ``masks`` to ``vector`` in place, modulo its word size. One pass over the vector."""
    keystream = _Keystream(masks, vector.dtype)
    for number, block in _blocks(vector):
        keystream.apply(number, block)


def expand(key: bytes, length: int, bits: int) -> FieldVector:
    """Return the whole mask of ``key``: ``length`` elements of a field of ``bits``. For tests and vectors."""
    out = np.zeros(length, dtype=field_dtype(bits))
    add_masks(out, [(key, True)])
    return out


class _Tagger:
    """The GMAC of a vector, block by block, while the block is in the cache."""

    def __init__(self, key: bytes) -> None:
        self._mac = Cipher(algorithms.AES(key), modes.GCM(bytes(12))).encryptor()

    def update(self, block: NDArray[Any]) -> None:
        self._mac.authenticate_additional_data(block.view(np.uint8).data)

    def digest(self) -> bytes:
        self._mac.finalize()
        return self._mac.tag


def mask_vector(
    vector: NDArray[Any], masks: Iterable[Mask], tag_key: bytes, bound: int, out: FieldVector
) -> bytes:
    """Write ``vector`` plus ``masks`` to ``out`` and return the 16-byte tag of ``out`` under ``tag_key``.

    ``vector`` holds signed integers of ``out``'s word size, each at most ``bound`` in magnitude; ``out`` may
    be its own memory. Raises ProtocolError, leaving ``out`` undefined, where an element is beyond the bound.
    """
    keystream, tagger = _Keystream(masks, out.dtype), _Tagger(tag_key)
    in_place = vector.ctypes.data == out.ctypes.data
    if not in_place and np.may_share_memory(vector, out):
        raise ProtocolError("upload: out overlaps the vector; pass the vector's own memory or another array")
    for (number, source), (_, block) in zip(_blocks(vector), _blocks(out), strict=True):
        low, high = int(source.min()), int(source.max())
        if max(-low, high) > bound:
            raise ProtocolError(
                f"upload: an element of block {number} is beyond ±{bound}, so the sum could wrap around; encode "
                "the vector with the plan that it is uploaded under"
            )
        if not in_place:
            np.copyto(block, source.view(out.dtype))
        keystream.apply(number, block)
        tagger.update(block)
    return tagger.digest()


def add_checked(total: FieldVector, vector: FieldVector, tag_key: bytes, tag: bytes) -> bool:
    """Add ``vector`` to ``total`` in place if its tag is ``tag``; return whether it was.

    One pass: the sum and the tag are made block by block. A vector that fails is subtracted again.
    """
    tagger = _Tagger(tag_key)
    for (_, block), (_, sums) in zip(_blocks(vector), _blocks(total), strict=True):
        np.add(sums, block, out=sums)
        tagger.update(block)
    if hmac.compare_digest(tagger.digest(), tag):
        return True
    np.subtract(total, vector, out=total)
    return False
