"""How a client answers a set-up request: check everything, then deal."""

from __future__ import annotations

import dataclasses

from mien.errors import PolicyError, ProtocolError
from privacy.plan import RoundPlan
from privacy.randomness import RandomSource
from privacy.secagg import dealing, shamir
from privacy.secagg.client_state import ClientSession, ClientState, Peer
from privacy.secagg.encoding import check_capacity
from privacy.secagg.graph import Graph
from privacy.secagg.identity import COORDINATOR, Directory, Identity, Member
from privacy.secagg.keys import Bundle, Prekeys, Session, load, mask_private, session_id
from privacy.secagg.messages import SetupReply, SetupRequest, encode
from privacy.secagg.policy import SecAggPolicy


def answer(
    state: ClientState,
    identity: Identity,
    policy: SecAggPolicy,
    message: SetupRequest,
    server_key: bytes,
    request_hash: bytes,
    source: RandomSource,
) -> tuple[ClientState, bytes]:
    """Return the state after set-up and the signed reply. Raises PolicyError or ProtocolError.

    The prekeys are used up: what remains of them is one key per neighbour, and the neighbours' shares.
    """
    plan = _check_plan(state, policy, message)
    _check_session(message, plan, server_key)
    me = plan.cohort.index(state.name)
    prekeys = _own_prekeys(state, message, me)
    graph = Graph(len(plan.cohort), plan.secagg.neighbours, plan.hash, message.roster)
    near = graph.neighbours(me)
    directory = _check_members(state, policy, message, plan, near)

    keys = Session(message.run, message.round, message.session)
    self_seed = shamir.random_element(source)
    channel_private, mask_key = load(prekeys.channel_private), load(mask_private(prekeys.mask_seed))
    peers = tuple(
        Peer(
            position=position,
            name=bundle.name,
            identity_key=bundle.identity_key,
            channel_key=keys.channel_key(channel_private, bundle.channel_key, state.name, bundle.name),
            mask_key=keys.mask_key(mask_key, bundle.mask_key, state.name, bundle.name),
        )
        for position, bundle in zip(near, message.bundles, strict=True)
    )
    points = [position + 1 for position in near]
    threshold = plan.secagg.threshold
    dealt = zip(
        peers,
        shamir.split(self_seed, threshold, points, source),
        shamir.split(prekeys.mask_seed, threshold, points, source),
        strict=True,
    )
    successor = Prekeys.generate(state.name, identity, state.sequence + 1, source)
    reply = SetupReply(
        run=message.run,
        round=message.round,
        session=message.session,
        sender=state.name,
        recipient=COORDINATOR,
        self_commitment=dealing.self_commitment(message.session, state.name, self_seed),
        deals=tuple(
            dealing.deal(
                message.session, state.name, peer.name, peer.channel_key, dealing.Shares(mine, masks)
            )
            for peer, mine, masks in dealt
        ),
        next_bundle=successor.bundle,
    )
    encoded = encode(reply, identity)
    session = ClientSession(
        run=message.run,
        round=message.round,
        id=message.session,
        plan=message.plan,
        self_seed=self_seed,
        upload_key=keys.upload_key(channel_private, message.run_key, state.name),
        peers=peers,
        request=request_hash,
        reply=encoded,
    )
    after = dataclasses.replace(state, directory=directory, prekeys=(successor,), sequence=state.sequence + 1)
    after = dataclasses.replace(after, server_key=server_key)
    return after.with_session(session).with_progress(message.run, message.round), encoded


def _check_plan(state: ClientState, policy: SecAggPolicy, message: SetupRequest) -> RoundPlan:
    plan = RoundPlan.from_bytes(message.plan)
    if (plan.run, plan.round) != (message.run, message.round) or plan.model_hash is not None:
        raise ProtocolError("set-up request: its plan is of another run or round, or already names a model")
    policy.check(plan)
    check_capacity(plan)
    if state.name not in plan.cohort:
        raise ProtocolError(f"set-up request: this client, {state.name!r}, is not in the cohort")
    highest = state.highest(plan.run)
    if plan.round <= highest:
        raise ProtocolError(
            f"set-up request: round {plan.round} of run {plan.run!r} is not after round {highest}; it is a replay, "
            "or the server restarted a round (use a new number)"
        )
    return plan


def _own_prekeys(state: ClientState, message: SetupRequest, me: int) -> Prekeys:
    if not state.prekeys or me >= len(message.roster) or state.prekeys[0].bundle.hash != message.roster[me]:
        raise ProtocolError(
            "set-up request: the roster does not hold this client's unused prekeys; it is a replay, or the client "
            "must enrol anew"
        )
    return state.prekeys[0]


def _check_members(
    state: ClientState,
    policy: SecAggPolicy,
    message: SetupRequest,
    plan: RoundPlan,
    near: tuple[int, ...],
) -> Directory:
    """Return the directory with the neighbours pinned; raises where a member is not who it must be."""
    if COORDINATOR in plan.cohort:
        raise ProtocolError(f"set-up request: {COORDINATOR!r} cannot be a member of the cohort")
    if len(message.roster) != len(plan.cohort) or len(set(message.roster)) != len(plan.cohort):
        raise ProtocolError("set-up request: the roster must hold one bundle for each member of the cohort")
    if state.directory.version and (unknown := state.directory.new_names(plan.cohort)):
        raise ProtocolError(
            f"set-up request: {unknown[0]!r} (and {len(unknown) - 1} more) is not in the provisioned directory"
        )
    if [bundle.name for bundle in message.bundles] != [plan.cohort[position] for position in near]:
        raise ProtocolError("set-up request: the bundles are not those of this client's neighbours, in order")
    for position, bundle in zip(near, message.bundles, strict=True):
        if bundle.hash != message.roster[position]:
            raise ProtocolError(f"set-up request: the bundle of {bundle.name!r} is not the one in the roster")
        bundle.check()
    new = state.directory.new_names(tuple(bundle.name for bundle in message.bundles))
    if len(new) > policy.max_new_members * len(near):
        raise PolicyError(
            f"set-up request: {len(new)} of {len(near)} neighbours are unknown, at most a share of "
            f"{policy.max_new_members:g} wanted"
        )
    directory = state.directory.seen([_member(bundle) for bundle in message.bundles])
    return directory.seen([_member(state.prekeys[0].bundle)])


def _member(bundle: Bundle) -> Member:
    return Member(name=bundle.name, identity_key=bundle.identity_key, sequence=bundle.sequence)


def _check_session(message: SetupRequest, plan: RoundPlan, server_key: bytes) -> None:
    """Raise ProtocolError unless the message's session is that of its own content."""
    if message.server_key != server_key or message.session != session_id(
        plan.hash, message.roster, server_key, message.run_key
    ):
        raise ProtocolError("set-up request: its session does not follow from its plan, roster and keys")
