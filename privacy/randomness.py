"""Where every secret and every privacy noise comes from.

Guarantees, for :class:`SystemSource`:

R1. Its output is the keystream of AES-256 in counter mode under a key drawn from the operating system's
    generator, so no one who cannot break AES-256 tells it from uniform bytes.
R2. No key outlives 2^36 bytes of keystream: the birthday bound of a 128-bit block cipher (2^68 bytes) stays
    far away, and a key that leaked tells little.
R3. A forked process never repeats its parent's stream: the process number is compared before each draw.

:class:`TestOnlySource` is repeatable and therefore protects nothing. It says so by ``test_only``, and every
report that was made with it repeats that.
"""

from __future__ import annotations

import hashlib
import os
from typing import Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from numpy.typing import NDArray

_BLOCK = 1 << 16  # bytes of zeros encrypted at a time: input and output stay in the L2 cache
_ZEROS = bytes(_BLOCK)
_REKEY_AFTER = 1 << 36


class RandomSource(Protocol):
    """A stream of bytes for secrets and for noise."""

    @property
    def test_only(self) -> bool:
        """True where the stream can be repeated by others, so that it protects nothing."""

    def bytes(self, count: int) -> bytes:
        """Return ``count`` fresh bytes."""

    def uint32(self, count: int) -> NDArray[np.uint32]:
        """Return ``count`` independent uniform 32-bit words."""

    def uint64(self, count: int) -> NDArray[np.uint64]:
        """Return ``count`` independent uniform 64-bit words."""

    def fill(self, out: NDArray[np.generic]) -> None:
        """Overwrite a C-contiguous array with fresh bytes, in place."""


class _Stream:
    """An AES-256-CTR keystream behind the :class:`RandomSource` interface."""

    test_only = False

    def __init__(self) -> None:
        self._produced = 0
        self._encryptor = self._new_encryptor()

    def _key(self) -> bytes:
        raise NotImplementedError

    def _new_encryptor(self) -> CipherContext:
        return Cipher(algorithms.AES(self._key()), modes.CTR(bytes(16))).encryptor()

    def _before_draw(self, count: int) -> None:
        self._produced += count
        if self._produced > _REKEY_AFTER:
            self._encryptor, self._produced = self._new_encryptor(), count

    def bytes(self, count: int) -> bytes:
        out = np.empty(count, dtype=np.uint8)
        self.fill(out)
        return out.tobytes()

    def uint32(self, count: int) -> NDArray[np.uint32]:
        out = np.empty(count, dtype=np.uint32)
        self.fill(out)
        return out

    def uint64(self, count: int) -> NDArray[np.uint64]:
        out = np.empty(count, dtype=np.uint64)
        self.fill(out)
        return out

    def fill(self, out: NDArray[np.generic]) -> None:
        if not out.flags.c_contiguous:
            raise ValueError("fill() needs a C-contiguous array; pass a copy or a flat view")
        if out.nbytes == 0:
            return
        self._before_draw(out.nbytes)
        view = memoryview(out.reshape(-1).view(np.uint8).data)
        for start in range(0, len(view), _BLOCK):
            size = min(_BLOCK, len(view) - start)
            zeros = _ZEROS if size == _BLOCK else _ZEROS[:size]
            self._encryptor.update_into(zeros, view[start : start + size])


class SystemSource(_Stream):
    """Secure randomness: AES-256-CTR keyed by the operating system (guarantees R1 to R3)."""

    def __init__(self) -> None:
        self._process = os.getpid()
        super().__init__()

    def _key(self) -> bytes:
        return os.urandom(32)

    def _before_draw(self, count: int) -> None:
        if os.getpid() != self._process:
            self._process = os.getpid()
            self._encryptor, self._produced = self._new_encryptor(), 0
        super()._before_draw(count)


class TestOnlySource(_Stream):
    """A repeatable stream for tests and for runs that must give the same bits twice. Protects nothing.

    Streams with different ``labels`` are independent: the key is SHA-256 of the seed and the labels.
    """

    test_only = True
    __test__ = False  # the name starts with Test, and pytest must not collect it

    def __init__(self, seed: int, *labels: str) -> None:
        self._identity = repr((seed, labels)).encode()
        self._generation = 0
        super().__init__()

    def _key(self) -> bytes:
        self._generation += 1
        text = b"mien test-only source %d " % self._generation
        return hashlib.sha256(text + self._identity).digest()
