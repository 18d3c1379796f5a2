"""The messages of a second implementation of secure aggregation; see ``verify_secagg.py``."""

from __future__ import annotations

from typing import Any

from secagg_arithmetic import digest, same, verify


class Cursor:
    """Reads fields one after another."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def raw(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        if len(piece) < size:
            raise ValueError("cut short")
        self.at += size
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.raw(size), "little")

    def name(self) -> str:
        return self.raw(self.number(1)).decode("ascii")

    def blob(self) -> bytes:
        return self.raw(self.number(4))

    def many(self, size: int) -> list[bytes]:
        return [self.raw(size) for _ in range(self.number(4))]

    def bitmap(self) -> list[int]:
        size = self.number(4)
        bits = int.from_bytes(self.raw((size + 7) // 8), "little")
        return [position for position in range(size) if bits >> position & 1]

    def bundle(self) -> dict[str, Any]:
        start = self.at
        found: dict[str, Any] = {"name": self.name(), "identity": self.raw(32), "sequence": self.number(8)}
        found |= {"channel": self.raw(32), "mask": self.raw(32)}
        content = self.data[start : self.at]
        found["signature"] = self.raw(64)
        verify(found["identity"], "mien secagg v1 prekeys", content, found["signature"])
        found["hash"] = digest("bundle", self.data[start : self.at])
        return found

    def deals(self) -> list[tuple[bytes, bytes, bytes]]:
        return [(one[:80], one[80:96], one[96:]) for one in self.many(112)]


BODIES: dict[int, list[tuple[str, str, int]]] = {
    1: [("bundle", "bundle", 0)],
    2: [("server", "raw", 32), ("run_key", "raw", 32), ("plan", "blob", 0), ("roster", "many", 32)],
    3: [("commitment", "raw", 32), ("deals", "deals", 0), ("next", "bundle", 0)],
    4: [("plan", "blob", 0), ("completed", "bitmap", 0), ("deals", "deals", 0)],
    5: [("plan_hash", "raw", 32), ("completed_hash", "raw", 32), ("length", "number", 8), ("bits", "number", 1),
        ("tag", "raw", 16), ("confirmation", "raw", 64)],
    6: [("plan_hash", "raw", 32), ("survivors", "bitmap", 0), ("confirmations", "many", 64)],
    7: [("plan_hash", "raw", 32), ("view", "raw", 32), ("pieces", "many", 48), ("tokens", "many", 32),
        ("sealed", "blob", 0)],
}  # fmt: skip


def message(
    encoded: str, kind: int, signer: bytes, header: tuple[str, int, bytes, str, str]
) -> dict[str, Any]:
    """Read one message to its last byte; check its signature and what it is bound to."""
    data = bytes.fromhex(encoded)
    cursor = Cursor(data)
    same((cursor.raw(4), cursor.number(1), cursor.number(1)), (b"MIEN", 1, kind), "magic, version, kind")
    bound = (cursor.name(), cursor.number(4), cursor.raw(32), cursor.name(), cursor.name())
    same(bound, header, f"header of a message of kind {kind}")
    body: dict[str, Any] = {}
    for field, method, size in BODIES[kind]:
        body[field] = getattr(cursor, method)(*([size] if size else []))
    if kind == 2:
        body["bundles"] = [cursor.bundle() for _ in range(cursor.number(4))]
    verify(signer, "mien secagg v1 message", data[: cursor.at], cursor.raw(64))
    same(cursor.at, len(data), "bytes in all")
    return body
