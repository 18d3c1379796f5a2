"""Check the known-answer vectors of secure aggregation: ``python tests/vectors/verify_secagg.py [FILE]``.

A second implementation of the protocol, from its description alone. With ``secagg_arithmetic.py`` and
``secagg_wire.py`` it shares no code with ``privacy/`` nor with the program that wrote the vectors; only the
primitives of ``cryptography`` are common to both.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from secagg_arithmetic import (
    digest,
    gcm_open,
    gmac,
    held,
    interpolate,
    lp,
    mac,
    mask_private,
    mask_words,
    neighbourhoods,
    open_reply,
    pair_key,
    public,
    same,
    self_key,
    subset,
    unpad,
    verify,
)
from secagg_wire import message


def check_keys(vector: dict[str, Any]) -> None:
    session = (vector["run"], vector["round"], bytes.fromhex(vector["session"]))
    alice, bob = bytes.fromhex(vector["alice_private"]), bytes.fromhex(vector["bob_private"])
    same(mask_private(bytes.fromhex(vector["bob_mask_seed"])), bob, "mask private key")
    same(public(bob).hex(), vector["bob_public"], "public key")
    names = ("alice", "bob")
    for mine, other in ((alice, public(bob)), (bob, public(alice))):
        same(pair_key("channel", mine, other, session, names).hex(), vector["channel"], "channel key")
        same(
            pair_key("pairwise mask", mine, other, session, names).hex(), vector["pairwise_mask"], "mask key"
        )
    upload = pair_key("upload", alice, public(bob), session, ("alice", "coordinator"))
    same(upload.hex(), vector["upload"], "upload key")
    same(
        self_key(bytes.fromhex(vector["self_seed"]), session, "alice").hex(),
        vector["self_mask"],
        "self-mask key",
    )


def check_shares(vector: dict[str, Any]) -> None:
    shares = {int(point): bytes.fromhex(share) for point, share in vector["shares"].items()}
    points, t = sorted(shares), vector["threshold"]
    for first in range(len(points) - t + 1):
        some = {point: shares[point] for point in points[first : first + t]}
        same(interpolate(some).hex(), vector["secret"], f"secret of shares {sorted(some)}")
        for point in points:
            same(interpolate(some, point), shares[point], f"share {point}")
        some.popitem()
        same(
            len(some) > 0 and interpolate(some).hex() == vector["secret"],
            False,
            "fewer shares open the secret",
        )


def check_graph(vector: dict[str, Any]) -> None:
    roster = [bytes.fromhex(one) for one in vector["roster"]]
    plan_hash = bytes.fromhex(vector["plan_session_hash"])
    got = neighbourhoods(vector["cohort"], vector["degree"], plan_hash, roster)
    same(got, vector["neighbours"], f"graph of {vector['cohort']}")


def check_mask(vector: dict[str, Any]) -> None:
    words = mask_words(bytes.fromhex(vector["key"]), vector["length"], vector["bits"])
    same([str(word) for word in words[-5:]], vector["last_words"], f"mask of {vector['length']} words")


def check_agreement(vector: dict[str, Any]) -> None:
    owner, view = vector["owner"], bytes.fromhex(vector["view"])
    shares = {}
    for one in vector["neighbours"]:
        key = bytes.fromhex(one["channel_key"])
        token = mac(key, "open", owner, view)
        same(token.hex(), one["vouches_with"], "token")
        same(mac(key, "open", one["name"], view).hex(), one["is_given"], "token given in return")
        shares[one["point"]] = unpad(bytes.fromhex(one["piece"]), token)
    payload = open_reply(owner, view, vector["threshold"], shares, bytes.fromhex(vector["sealed"]))
    same(payload.hex(), vector["payload"], "payload")
    fewer = [shares[point] for point in sorted(shares)[: vector["threshold"] - 1]]
    key = interpolate(dict(zip(sorted(shares), fewer, strict=False)))
    same(key == interpolate(shares), False, "fewer shares open the reply")


class Round:
    """One whole round, walked through with every secret in hand."""

    def __init__(self, vector: dict[str, Any]) -> None:
        self.vector, self.members = vector, vector["members"]
        self.names = sorted(self.members)
        server = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["server_secret"]))
        self.server = server.public_key().public_bytes_raw()
        self.secret = {
            name: {key: bytes.fromhex(one[key]) for key in ("channel_private", "mask_seed", "self_seed")}
            for name, one in self.members.items()
        }
        self.identity = {
            name: Ed25519PrivateKey.from_private_bytes(bytes.fromhex(one["identity_secret"]))
            .public_key()
            .public_bytes_raw()
            for name, one in self.members.items()
        }

    def walk(self) -> None:
        self.enrolments()
        self.setups()
        self.deals()
        self.uploads()
        self.unmasks()
        self.sum()

    def read(self, name: str, what: str, kind: int, *, to_client: bool) -> dict[str, Any]:
        parties = ("coordinator", name) if to_client else (name, "coordinator")
        signer = self.server if to_client else self.identity[name]
        return message(self.members[name][what], kind, signer, (*self.session, *parties))

    def enrolments(self) -> None:
        self.bundle = {}
        for name in self.names:
            header = ("vectors", 0, bytes(32), name, "coordinator")
            bundle = message(self.members[name]["enrolment"], 1, self.identity[name], header)["bundle"]
            secret = self.secret[name]
            same((bundle["name"], bundle["identity"]), (name, self.identity[name]), "owner of a bundle")
            same(bundle["channel"], public(secret["channel_private"]), "channel key of a bundle")
            same(bundle["mask"], public(mask_private(secret["mask_seed"])), "mask key of a bundle")
            self.bundle[name] = bundle
        self.roster = [self.bundle[name]["hash"] for name in self.names]

    def setups(self) -> None:
        run_key = public(bytes.fromhex(self.vector["run_private"]))
        raw = bytes.fromhex(self.members[self.names[0]]["setup_request"])
        start = raw.index(b'{"')  # the session depends on the plan, which is inside: find it first
        plan = raw[start : start + struct.unpack("<I", raw[start - 4 : start])[0]]
        self.plan = json.loads(plan)
        same(json.dumps(self.plan, sort_keys=True, separators=(",", ":")).encode(), plan, "canonical plan")
        same((self.plan["cohort"], self.plan["model_hash"]), (self.names, None), "cohort of the plan")
        plan_hash = hashlib.sha256(plan).digest()
        roster_hash = digest("roster", b"".join(self.roster))
        session = digest("session", plan_hash, roster_hash, self.server, run_key)
        self.session = ("vectors", 1, session)
        secagg = self.plan["secagg"]
        self.threshold, self.bits = secagg["threshold"], secagg["field_bits"]
        self.near = neighbourhoods(len(self.names), secagg["neighbours"], plan_hash, self.roster)
        for me, name in enumerate(self.names):
            body = self.read(name, "setup_request", 2, to_client=True)
            same(
                (body["server"], body["run_key"], body["plan"]),
                (self.server, run_key, plan),
                "set-up request",
            )
            same(body["roster"], self.roster, "roster")
            same(
                body["bundles"],
                [self.bundle[self.names[one]] for one in self.near[me]],
                "bundles of neighbours",
            )

    def channel(self, one: str, other: str) -> bytes:
        private = self.secret[one]["channel_private"]
        return pair_key("channel", private, self.bundle[other]["channel"], self.session, (one, other))

    def deals(self) -> None:
        session = self.session[2]
        self.dealt: dict[str, list[tuple[bytes, bytes, bytes]]] = {}
        self.share: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        for me, name in enumerate(self.names):
            body = self.read(name, "setup_reply", 3, to_client=False)
            secret = self.secret[name]
            commitment = digest("self mask", session, name, secret["self_seed"])
            same(body["commitment"], commitment, "commitment to a self-mask seed")
            same((body["next"]["name"], body["next"]["sequence"]), (name, 2), "next bundle")
            self.dealt[name] = body["deals"]
            mine, masks = {}, {}
            for one, (sealed, self_check, mask_check) in zip(self.near[me], body["deals"], strict=True):
                holder = self.names[one]
                key = mac(self.channel(name, holder), "share", name, holder)
                same(self.channel(holder, name), self.channel(name, holder), "channel key of both")
                opened = gcm_open(key, sealed, lp(session, name, holder))
                mine[one + 1], masks[one + 1] = opened[:32], opened[32:]
                same(digest("share", session, 1, name, holder, opened[:32])[:16], self_check, "self share")
                same(digest("share", session, 2, name, holder, opened[32:])[:16], mask_check, "mask share")
                self.share[name, holder] = (opened[:32], opened[32:])
            for shares, expected in ((mine, secret["self_seed"]), (masks, secret["mask_seed"])):
                points = sorted(shares)
                for some in (points[: self.threshold], points[-self.threshold :]):
                    same(interpolate({p: shares[p] for p in some}), expected, "secret that was dealt")

    def uploads(self) -> None:
        self.survivors = [
            place for place, name in enumerate(self.names) if name not in self.vector["lost_before_upload"]
        ]
        everybody = subset(list(range(len(self.names))), len(self.names))
        self.completed_hash = everybody
        self.masked, self.confirmation = {}, {}
        for me, name in enumerate(self.names):
            body = self.read(name, "upload_request", 4, to_client=True)
            plan = json.loads(body["plan"])
            self.plan_hash = hashlib.sha256(body["plan"]).digest()
            same(plan | {"model_hash": None}, self.plan, "plan but for its model")
            same(body["completed"], list(range(len(self.names))), "members that completed set-up")
            forwarded = [self.dealt[self.names[one]][self.near[one].index(me)] for one in self.near[me]]
            same(body["deals"], forwarded, "deals that are passed on")
            if me in self.survivors:
                self.upload(me, name)

    def masks_of(self, me: int, name: str) -> list[tuple[bytes, int]]:
        """Return the keys of a member's masks and their signs."""
        keys = [(self_key(self.secret[name]["self_seed"], self.session, name), 1)]
        private = mask_private(self.secret[name]["mask_seed"])
        for one in self.near[me]:
            other = self.names[one]
            key = pair_key("pairwise mask", private, self.bundle[other]["mask"], self.session, (name, other))
            keys.append((key, 1 if one > me else -1))
        return keys

    def upload(self, me: int, name: str) -> None:
        header = self.read(name, "upload_header", 5, to_client=False)
        member, size = self.members[name], self.bits // 8
        same((header["length"], header["bits"]), (len(member["vector"]), self.bits), "length and bits")
        same(
            (header["plan_hash"], header["completed_hash"]),
            (self.plan_hash, self.completed_hash),
            "upload header",
        )
        words = list(member["vector"])
        for key, sign in self.masks_of(me, name):
            words = [
                word + sign * mask
                for word, mask in zip(words, mask_words(key, len(words), self.bits), strict=True)
            ]
        masked = b"".join((word % 2**self.bits).to_bytes(size, "little") for word in words)
        same(masked.hex(), member["masked"], f"masked vector of {name}")
        private = self.secret[name]["channel_private"]
        run_key = public(bytes.fromhex(self.vector["run_private"]))
        key = pair_key("upload", private, run_key, self.session, (name, "coordinator"))
        same(gmac(key, masked), header["tag"], "tag of a masked vector")
        content = lp(self.session[2], name, self.plan_hash, self.completed_hash)
        verify(self.identity[name], "mien secagg v1 confirmation", content, header["confirmation"])
        self.masked[me], self.confirmation[me] = words, header["confirmation"]

    def unmasks(self) -> None:
        survivors = subset(self.survivors, len(self.names))
        view = digest("view", self.session[2], self.plan_hash, self.completed_hash, survivors)
        replies, near = {}, {}
        for me in self.survivors:
            name = self.names[me]
            near[me] = [one for one in self.near[me] if one in self.survivors]
            request = self.read(name, "unmask_request", 6, to_client=True)
            same(
                (request["plan_hash"], request["survivors"]),
                (self.plan_hash, self.survivors),
                "unmask request",
            )
            same(request["confirmations"], [self.confirmation[one] for one in near[me]], "confirmations")
            reply = self.read(name, "unmask_reply", 7, to_client=False)
            same((reply["plan_hash"], reply["view"]), (self.plan_hash, view), "view")
            tokens = [
                mac(self.channel(name, self.names[one]), "open", self.names[one], view) for one in near[me]
            ]
            same(reply["tokens"], tokens, "tokens")
            replies[me] = reply
        self.opened: dict[int, dict[int, tuple[int, bytes]]] = {}
        for me, reply in replies.items():
            shares = {
                one + 1: unpad(piece, replies[one]["tokens"][near[one].index(me)])
                for one, piece in zip(near[me], reply["pieces"], strict=True)
            }
            payload = open_reply(self.names[me], view, self.threshold, shares, reply["sealed"])
            entries = [payload[at : at + 33] for at in range(0, len(payload), 33)]
            self.opened[me] = {
                one: (entry[0], entry[1:]) for one, entry in zip(self.near[me], entries, strict=True)
            }

    def secret_from_shares(self, place: int) -> bytes:
        """Return what the neighbours opened of one member: its self seed, or its mask seed if it was lost."""
        survived, name = place in self.survivors, self.names[place]
        shares = {}
        for one in self.near[place]:
            if one not in self.survivors:
                continue
            kind, share = self.opened[one][place]
            same(kind, 1 if survived else 2, "kind of a share")
            same(share, self.share[name, self.names[one]][0 if survived else 1], "share that was given")
            shares[one + 1] = share
        return interpolate({point: shares[point] for point in sorted(shares)[: self.threshold]})

    def sum(self) -> None:
        """Undo the masks as a server does: from the opened secrets alone."""
        total = [sum(column) for column in zip(*self.masked.values(), strict=True)]
        expanded = 0
        for place, name in enumerate(self.names):
            seed = self.secret_from_shares(place)
            if place in self.survivors:
                undo = [(self_key(seed, self.session, name), -1)]
            else:
                undo = []
                for one in self.near[place]:
                    if one in self.survivors:
                        bundle = self.bundle[self.names[one]]
                        names = (name, self.names[one])
                        key = pair_key(
                            "pairwise mask", mask_private(seed), bundle["mask"], self.session, names
                        )
                        undo.append((key, -1 if place > one else 1))
            for key, sign in undo:
                expanded += 1
                mask = mask_words(key, len(total), self.bits)
                total = [word + sign * other for word, other in zip(total, mask, strict=True)]
        half = 2 ** (self.bits - 1)
        signed = [(word + half) % 2**self.bits - half for word in total]
        same(signed, self.vector["sum"], "sum")
        plain = [self.members[self.names[one]]["vector"] for one in self.survivors]
        same([sum(column) for column in zip(*plain, strict=True)], self.vector["sum"], "sum of the survivors")
        same([self.names[one] for one in self.survivors], self.vector["survivors"], "survivors")
        same(expanded, self.vector["masks_expanded"], "masks that were expanded")


def main(path: Path) -> int:
    """Check every vector; return how many comparisons held. Raises at the first that does not."""
    held.clear()
    vectors = json.loads(path.read_text(encoding="utf-8"))
    same((vectors["protocol"], vectors["version"]), ("mien secagg", 1), "protocol")
    for section, check in (
        ("keys", check_keys),
        ("shares", check_shares),
        ("graphs", check_graph),
        ("masks", check_mask),
        ("agreement", check_agreement),
        ("rounds", lambda vector: Round(vector).walk()),
    ):
        for vector in vectors[section]:
            check(vector)
    return len(held)


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("secagg-v1.json")
    print(f"{file.name}: {main(file)} checks hold")
