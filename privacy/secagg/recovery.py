"""How the server opens the sealed replies and finds the masks that are left in the sum.

Every share is checked against its dealer's commitment and every opened secret against the dealer's public
commitment, so a wrong one is never used and its giver is named.
"""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Mapping
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from mien.errors import ProtocolError, RoundAbortedError
from privacy.plan import RoundPlan
from privacy.secagg import agreement, dealing, masking, shamir
from privacy.secagg.codec import Subset
from privacy.secagg.dealing import Kind
from privacy.secagg.graph import Graph
from privacy.secagg.keys import Bundle, Session, load, mask_private, public_of
from privacy.secagg.messages import SetupReply, UnmaskReply


@dataclasses.dataclass(frozen=True)
class AggregateResult:
    """What a round gives."""

    sum: NDArray[np.int64]
    """The exact integer sum of the survivors' vectors."""
    survivors: tuple[str, ...]
    dropped: dict[str, str]
    """Members of the cohort whose vector is not in the sum, and the phase they were lost in."""
    silent: tuple[str, ...]
    """Survivors that did not answer the unmask request; their vectors are in the sum."""
    excluded: dict[str, str]
    """Members that sent something wrong while the masks were opened, and what; leave them out next time."""
    masks_expanded: int


class Recovery:
    """Opens one round, once."""

    def __init__(
        self,
        plan: RoundPlan,
        session: Session,
        graph: Graph,
        bundles: tuple[Bundle, ...],
        setups: Mapping[int, SetupReply],
        completed: Subset,
        survivors: Subset,
        replies: Mapping[int, UnmaskReply],
    ) -> None:
        self._plan, self._session, self._graph, self._bundles = plan, session, graph, bundles
        self._setups, self._completed, self._survivors = setups, completed, survivors
        self._replies = replies
        self._excluded: dict[str, str] = {}

    def masks(self) -> list[masking.Mask]:
        """Return the masks to add to the sum so that only the survivors' vectors are left.

        Raises RoundAbortedError where a secret cannot be opened.
        """
        opened = self._open_replies()
        masks: list[masking.Mask] = []
        for position in self._completed.positions:
            survived = position in self._survivors
            near = [one for one in self._graph.neighbours(position) if one in self._survivors]
            if not survived and not near:
                continue  # nobody in the sum masked with it
            seed = self._open_secret(position, Kind.SELF if survived else Kind.MASK, opened)
            if survived:
                masks.append((self._session.self_mask_key(seed, self._name(position)), False))
            else:
                private = load(mask_private(seed))
                masks += [self._pairwise(position, private, one) for one in near]
        return masks

    def result(self, total: masking.FieldVector, masks_expanded: int) -> AggregateResult:
        """Return the result around the unmasked sum, re-centred to signed integers."""
        signed: NDArray[Any] = total.view(np.dtype(f"<i{total.itemsize}"))
        cohort, survivors = self._plan.cohort, self._survivors
        return AggregateResult(
            sum=signed.astype(np.int64, copy=False),
            survivors=survivors.names(cohort),
            dropped={
                name: "upload" if position in self._completed else "set-up"
                for position, name in enumerate(cohort)
                if position not in survivors
            },
            silent=tuple(cohort[one] for one in survivors.positions if one not in self._replies),
            excluded=dict(self._excluded),
            masks_expanded=masks_expanded,
        )

    def _name(self, position: int) -> str:
        return self._plan.cohort[position]

    def _open_replies(self) -> dict[int, dict[int, tuple[Kind, bytes]]]:
        """Return, for every reply that opens, its entries by the neighbour's position."""
        near = {
            position: [one for one in self._graph.neighbours(position) if one in self._survivors]
            for position in self._replies
        }
        tokens: dict[int, dict[int, bytes]] = {position: {} for position in self._replies}
        for giver, reply in self._replies.items():
            for one, given in zip(near[giver], reply.tokens, strict=True):
                if one in tokens:
                    tokens[one][giver + 1] = given
        opened = {}
        for position, reply in self._replies.items():
            pieces = {one + 1: piece for one, piece in zip(near[position], reply.pieces, strict=True)}
            neighbours = [one for one in self._graph.neighbours(position) if one in self._completed]
            shares = agreement.key_shares(pieces, tokens[position])
            threshold = self._plan.secagg.threshold
            if len(shares) < threshold:
                continue  # too few neighbours answered with this view; nobody is to blame
            try:
                payload = agreement.open_sealed(
                    self._name(position), reply.view, threshold, shares, reply.sealed
                )
                entries = dealing.decode_payload(payload, len(neighbours))
            except ProtocolError as error:
                self._excluded[self._name(position)] = str(error)
                continue
            opened[position] = dict(zip(neighbours, entries, strict=True))
        return opened

    def _open_secret(
        self, position: int, kind: Kind, opened: Mapping[int, Mapping[int, tuple[Kind, bytes]]]
    ) -> bytes:
        """Return a member's secret from its neighbours' shares; raises RoundAbortedError."""
        name, setup = self._name(position), self._setups[position]
        neighbours = self._graph.neighbours(position)
        shares: dict[int, bytes] = {}
        for index, holder in enumerate(neighbours):
            got, share = opened.get(holder, {}).get(position, (Kind.NONE, b""))
            if got == Kind.NONE:
                continue
            dealt = setup.deals[index]
            check = dealt.self_check if kind == Kind.SELF else dealt.mask_check
            holder_name = self._name(holder)
            expected = dealing.share_check(self._session.id, kind, name, holder_name, share)
            if got != kind or not hmac.compare_digest(check, expected):
                self._excluded[holder_name] = f"gave a wrong share of {name!r}"
                continue
            shares[holder + 1] = share
        threshold = self._plan.secagg.threshold
        if len(shares) < threshold:
            raise self._aborted(
                f"{len(shares)} neighbours gave a good share of {name!r}, {threshold} are needed "
                f"({len(self._replies)} of {len(self._survivors)} survivors answered, {len(opened)} replies opened)"
            )
        try:
            seed = shamir.combine(shares, threshold)
        except ProtocolError:
            seed = b""
        if not self._is_committed(position, kind, seed):
            self._excluded[name] = "dealt shares that do not open what it committed to"
            raise self._aborted(f"{name!r} dealt shares that do not open what it committed to")
        return seed

    def _is_committed(self, position: int, kind: Kind, seed: bytes) -> bool:
        if kind == Kind.SELF:
            commitment = dealing.self_commitment(self._session.id, self._name(position), seed)
            return hmac.compare_digest(commitment, self._setups[position].self_commitment)
        return public_of(mask_private(seed)) == self._bundles[position].mask_key

    def _pairwise(self, dropped: int, private: X25519PrivateKey, survivor: int) -> masking.Mask:
        """Return the mask that undoes what ``survivor`` added for ``dropped``."""
        key = self._session.mask_key(
            private, self._bundles[survivor].mask_key, self._name(dropped), self._name(survivor)
        )
        added = dropped > survivor  # a member adds the masks of its later neighbours
        return key, not added

    def _aborted(self, why: str) -> RoundAbortedError:
        culprits = "".join(f"; {name}: {what}" for name, what in sorted(self._excluded.items())[:10])
        return RoundAbortedError(
            f"round {self._plan.round} of run {self._plan.run!r} aborted: {why}; no vector was opened{culprits}"
        )
