"""How a client answers an upload request: check that the plan is the one it set up for, then mask."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import ProtocolError
from privacy.plan import RoundPlan
from privacy.secagg import dealing, masking
from privacy.secagg.client_checks import check_members
from privacy.secagg.client_state import SET_UP, ClientSession, Peer
from privacy.secagg.encoding import element_bound
from privacy.secagg.identity import COORDINATOR, Identity
from privacy.secagg.memory import aligned_empty
from privacy.secagg.messages import UploadHeader, UploadRequest, encode, subset_hash
from privacy.secagg.policy import SecAggPolicy


def check(message: UploadRequest, session: ClientSession, name: str, policy: SecAggPolicy) -> RoundPlan:
    """Return the whole plan. Raises PolicyError or ProtocolError unless it may be uploaded under."""
    where = f"round {session.round} of run {session.run!r}"
    if session.stage != SET_UP:
        raise ProtocolError(f"{where}: uploaded already; a client uploads once per session")
    plan = RoundPlan.from_bytes(message.plan)
    if plan.session.to_bytes() != session.plan or plan.model_hash is None:
        raise ProtocolError(
            f"{where}: the plan is not the one that was set up for, completed by a model; it was changed after "
            "keys were sent, refuse it"
        )
    policy.check(plan)
    check_members(message.completed, plan, name, session.peers, "completed set-up")
    if len(message.deals) != sum(peer.position in message.completed for peer in session.peers):
        raise ProtocolError(f"{where}: the number of deals is not that of the completed neighbours")
    return plan


def answer(
    session: ClientSession,
    identity: Identity,
    name: str,
    plan: RoundPlan,
    message: UploadRequest,
    vector: NDArray[np.int32] | NDArray[np.int64],
    out: masking.FieldVector | None,
) -> tuple[ClientSession, bytes, masking.FieldVector]:
    """Return the session after the upload, the signed header, and the masked vector. Raises ProtocolError."""
    dtype = masking.field_dtype(plan.secagg.field_bits)
    _check_vector(vector, plan, np.dtype(f"<i{dtype.itemsize}"), "vector")
    if out is None:
        out = aligned_empty(len(vector), dtype)
    _check_vector(out, plan, dtype, "out")
    if not out.flags.writeable:
        raise ProtocolError("upload: out is read-only; pass a writable array or none")

    peers = _accept_deals(message, session, name)
    me = bisect_left(plan.cohort, name)
    masks = [(session.keys.self_mask_key(session.self_seed, name), True)]
    masks += [(peer.mask_key, peer.position > me) for peer in peers]
    tag = masking.mask_vector(vector, masks, session.upload_key, element_bound(plan), out)

    content = dealing.confirmation_content(session.id, name, plan.hash, message.completed)
    header = UploadHeader(
        run=session.run,
        round=session.round,
        session=session.id,
        sender=name,
        recipient=COORDINATOR,
        plan_hash=plan.hash,
        completed_hash=subset_hash(message.completed),
        length=len(out),
        bits=plan.secagg.field_bits,
        tag=tag,
        confirmation=identity.sign(dealing.CONFIRMATION, content),
    )
    after = session.uploaded(message.plan, plan.hash, message.completed, peers)
    return after, encode(header, identity), out


def _accept_deals(message: UploadRequest, session: ClientSession, name: str) -> tuple[Peer, ...]:
    """Return the neighbours that completed set-up, with the shares they dealt (none where unusable)."""
    peers = []
    deals = iter(message.deals)
    for peer in session.peers:
        if peer.position not in message.completed:
            continue
        shares = dealing.open_deal(session.id, peer.name, name, peer.channel_key, next(deals))
        if shares is not None:
            peer = dataclasses.replace(peer, self_share=shares.self_share, mask_share=shares.mask_share)
        peers.append(peer)
    return tuple(peers)


def _check_vector(vector: NDArray[Any], plan: RoundPlan, dtype: np.dtype[Any], what: str) -> None:
    length = plan.secagg.vector_length
    if vector.dtype != dtype or vector.shape != (length,) or not vector.flags.c_contiguous:
        raise ProtocolError(
            f"upload: {what} must be contiguous {dtype.name} of shape ({length},), got {vector.dtype.name} of "
            f"shape {vector.shape}"
        )
