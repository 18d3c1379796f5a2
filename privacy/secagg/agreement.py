"""Silent agreement: an unmasking reply opens only if enough neighbours were shown the same survivors.

A malicious server may tell every client another story about who survived. Bonawitz et al. 2017 add a message
phase in which the clients sign what they saw. Here the agreement needs none. Client ``v`` seals its reply (a
share of each neighbour's secret) under a fresh key ``e_v`` and shares ``e_v`` with threshold ``t`` among its
surviving neighbours ``u``, each piece padded with ``PRF(k_uv, "open" ‖ v ‖ view_v)``, where ``k_uv`` is their
pairwise channel key and ``view_v`` hashes the session, the plan, the members ``U`` that completed set-up and
the survivors ``S``, *as v was told*. In the same message ``v`` gives, for every neighbour ``w``, the token
``PRF(k_vw, "open" ‖ w ‖ view_v)``. A token removes the pad of w's piece for v exactly if both were told the
same; otherwise it is noise. Each reply also demands w's *confirmation*, its signature over (session, plan,
``U``), before it gives a share of w's self mask, so w masked with the same members as its neighbours believe.

Assumptions
    Q1  The primitives hold (Ed25519, X25519 + HKDF, HMAC and AES-256 as PRFs, SHA-256 collision-free).
    Q2  An honest client deals its shares once in a session, answers at most one unmask request in it, only
        after it uploaded, only where it is itself among the survivors (:mod:`privacy.secagg.client`).
    Q3  Each honest client has k neighbours, of whom at most c collude with the server, and 2t > k + c.
        With t > 2k/3 any c < k/3 will do.

*Opened* below means that server and colluders together learn it. An honest v's reply is opened when e_v is; a
secret of w is opened when t of its shares are, of which at most c come from colluders.

Guarantees
    A1  Agreement. If the reply of honest v is opened, at least t − c of its honest neighbours answered with
        v's very view. — e_v needs t pieces; the pads of colluders are theirs for any view, but an honest u's
        is PRF output under a key of u and v, and u computes it for one view, its own (Q2).
    A2  Never both. The self-mask seed and the mask seed of an honest w are never both opened. — Each needs
        t − c honest neighbours who gave that kind, and each of the at most k − c honest ones gave one kind:
        2(t − c) ≤ k − c contradicts Q3. (Those who never answered, or were told that w is neither, only
        make it harder, and with c' < c actual colluders 2t ≤ k + c' is a contradiction as well.)
    A3  A witness is not dropped. If the reply of honest v is opened, the mask seed of v never is. — By A1
        t − c honest neighbours answered with v's view, in which v survived (Q2), so none of them gave a share
        of v's mask seed; t − c others would have to: again 2(t − c) ≤ k − c.
    A4  Nobody is isolated. If the self-mask seed of honest w is opened, at least t − c honest neighbours v
        share with w a pairwise mask that is in both uploads and is never opened. — Among the t shares,
        t − c come from honest v in opened replies. v checked w's confirmation: w was told the same session,
        plan and U, so w masked with v (v ∈ U) and v with w. By A3 v's mask seed is not opened, by A2 w's
        is not, and the mask is a function of one of them (K2).
    A5  Only sums of at least t − c + 1 honest clients. Draw the honest clients with an edge for every pairwise
        mask that is in both uploads and is never opened. In a connected component where some self-mask seed
        stays closed, all uploads are jointly uniform; where all are open, only the component's sum is
        determined (Bonawitz et al. 2017, lemma 6.1), and by A4 the component has at least t − c + 1 members.
        This holds for any graph, whatever the server says to whom.
    A6  On the full graph (k = n − 1) one survivor set at most is opened, and the only sum that is determined
        is that of all its honest members, at least ``min_survivors − c``. — Two opened replies with different
        views have, by A1, t − c + 1 honest clients on each side: 2(t − c + 1) ≤ n − c = k + 1 − c contradicts
        Q3. All opened shares then follow one view (U, S), so no mask seed of a member of S is opened, and the
        honest members of S are pairwise joined.

Not promised: that a reply opens when neighbours misbehave. A client that sends wrong tokens or pieces can
make its neighbours' replies useless, and the round aborts; nobody's vector is opened by it.
"""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mien.errors import ProtocolError
from privacy.randomness import RandomSource
from privacy.secagg import shamir
from privacy.secagg.codec import Subset, joined
from privacy.secagg.keys import prf, sha256
from privacy.secagg.messages import subset_hash

_NONCE = bytes(12)  # every key below seals one message


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """A surviving neighbour as its counterpart knows it."""

    name: str
    point: int
    channel_key: bytes


@dataclasses.dataclass(frozen=True)
class Sealed:
    """A sealed reply with a piece and a token for each surviving neighbour, in the order given."""

    pieces: tuple[bytes, ...]
    tokens: tuple[bytes, ...]
    payload: bytes


def view_of(session: bytes, plan_hash: bytes, completed: Subset, survivors: Subset) -> bytes:
    """Return the 32 bytes that stand for what a client was told."""
    return sha256("view", session, plan_hash, subset_hash(completed), subset_hash(survivors))


def token(channel_key: bytes, owner: str, view: bytes) -> bytes:
    """Return the token with which a neighbour vouches, under ``view``, for the reply of ``owner``."""
    return prf(channel_key, "open", owner, view)


def _pad(piece_token: bytes) -> tuple[bytes, bytes]:
    return sha256("pad", piece_token), sha256("pad check", piece_token)[:16]


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "little") ^ int.from_bytes(right, "little")).to_bytes(len(left), "little")


def seal(
    owner: str,
    view: bytes,
    threshold: int,
    neighbours: Sequence[Neighbour],
    payload: bytes,
    source: RandomSource,
) -> Sealed:
    """Seal ``payload`` so that it opens only to whoever holds ``threshold`` tokens for ``view``.

    Raises ProtocolError with fewer neighbours than ``threshold``.
    """
    key = shamir.random_element(source)
    shares = shamir.split(key, threshold, [neighbour.point for neighbour in neighbours], source)
    pieces = []
    for neighbour, share in zip(neighbours, shares, strict=True):
        pad, check = _pad(token(neighbour.channel_key, owner, view))
        pieces.append(_xor(share, pad) + check)
    tokens = tuple(token(neighbour.channel_key, neighbour.name, view) for neighbour in neighbours)
    sealed = AESGCM(prf(key, "payload", owner, view)).encrypt(_NONCE, payload, joined(owner, view))
    return Sealed(tuple(pieces), tokens, sealed)


def key_shares(pieces: Mapping[int, bytes], tokens: Mapping[int, bytes]) -> dict[int, bytes]:
    """Return the shares of a reply's key that ``tokens`` uncover in its ``pieces``, all by the neighbour's point.

    A token that does not fit its piece (another view, or a cheat) is passed over.
    """
    shares = {}
    for point, piece_token in tokens.items():
        if point in pieces:
            pad, check = _pad(piece_token)
            if hmac.compare_digest(check, pieces[point][32:]):
                shares[point] = _xor(pieces[point][:32], pad)
    return shares


def open_sealed(owner: str, view: bytes, threshold: int, shares: Mapping[int, bytes], sealed: bytes) -> bytes:
    """Return the payload of ``owner``'s reply by the shares of its key.

    Raises ProtocolError where there are fewer than ``threshold``, or where they open nothing.
    """
    key = shamir.combine(shares, threshold)
    try:
        return AESGCM(prf(key, "payload", owner, view)).decrypt(_NONCE, sealed, joined(owner, view))
    except InvalidTag:
        raise ProtocolError(
            f"unmask reply of {owner!r}: its key opens nothing; the reply is invalid"
        ) from None
