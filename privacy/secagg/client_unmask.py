"""How a client answers an unmask request: check who is said to have survived, then give one share of each."""

from __future__ import annotations

from mien.errors import ProtocolError
from privacy.plan import RoundPlan
from privacy.randomness import RandomSource
from privacy.secagg import agreement, dealing
from privacy.secagg.client_checks import check_members
from privacy.secagg.client_state import SET_UP, UNMASKED, ClientSession, Peer
from privacy.secagg.codec import Subset
from privacy.secagg.dealing import Kind
from privacy.secagg.identity import COORDINATOR, Identity, verify
from privacy.secagg.messages import UnmaskReply, UnmaskRequest, encode


def answer(
    session: ClientSession,
    identity: Identity,
    name: str,
    message: UnmaskRequest,
    request_hash: bytes,
    source: RandomSource,
) -> tuple[ClientSession, bytes]:
    """Return the session after its only unmasking, and the signed reply. Raises ProtocolError."""
    plan = _check_stage(message, session)
    surviving = _check_survivors(message, session, plan, name)
    view = agreement.view_of(session.id, session.plan_hash, session.completed, message.survivors)
    sealed = agreement.seal(
        name,
        view,
        plan.secagg.threshold,
        [agreement.Neighbour(peer.name, peer.position + 1, peer.channel_key) for peer in surviving],
        dealing.encode_payload([_entry(peer, message.survivors) for peer in session.peers]),
        source,
    )
    reply = UnmaskReply(
        run=session.run,
        round=session.round,
        session=session.id,
        sender=name,
        recipient=COORDINATOR,
        plan_hash=session.plan_hash,
        view=view,
        pieces=sealed.pieces,
        tokens=sealed.tokens,
        sealed=sealed.payload,
    )
    encoded = encode(reply, identity)
    return session.unmasked(request_hash, encoded), encoded


def _check_stage(message: UnmaskRequest, session: ClientSession) -> RoundPlan:
    where = f"round {session.round} of run {session.run!r}"
    if session.stage == UNMASKED:
        raise ProtocolError(
            f"{where}: a second, different unmask request; one survivor set is answered per round, refuse it"
        )
    if session.stage == SET_UP:
        raise ProtocolError(f"{where}: unmask request before this client uploaded; refuse it")
    if message.plan_hash != session.plan_hash:
        raise ProtocolError(f"{where}: unmask request for another plan; refuse it")
    return RoundPlan.from_bytes(session.plan)


def _check_survivors(
    message: UnmaskRequest, session: ClientSession, plan: RoundPlan, name: str
) -> list[Peer]:
    """Return the surviving neighbours. Raises ProtocolError unless each proves that it masked with us."""
    survivors = message.survivors
    check_members(survivors, plan, name, session.peers, "survived")
    strangers = survivors.as_set - session.completed.as_set
    if strangers:
        names = ", ".join(plan.cohort[position] for position in sorted(strangers)[:3])
        raise ProtocolError(
            f"round {session.round}: survivors that did not complete set-up: {names}; refuse it"
        )
    surviving = [peer for peer in session.peers if peer.position in survivors]
    if len(message.confirmations) != len(surviving):
        raise ProtocolError(
            f"unmask request: {len(surviving)} confirmations expected, got {len(message.confirmations)}"
        )
    for peer, confirmation in zip(surviving, message.confirmations, strict=True):
        content = dealing.confirmation_content(session.id, peer.name, session.plan_hash, session.completed)
        verify(peer.identity_key, dealing.CONFIRMATION, content, confirmation, peer.name)
    return surviving


def _entry(peer: Peer, survivors: Subset) -> tuple[Kind, bytes]:
    """Return one share of ``peer``: never both kinds, and none where it dealt none that is usable."""
    if not peer.self_share:
        return Kind.NONE, bytes(32)
    return (Kind.SELF, peer.self_share) if peer.position in survivors else (Kind.MASK, peer.mask_share)
