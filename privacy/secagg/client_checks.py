"""A check that uploads and unmaskings share."""

from __future__ import annotations

from bisect import bisect_left

from mien.errors import ProtocolError
from privacy.plan import RoundPlan
from privacy.secagg.client_state import Peer
from privacy.secagg.codec import Subset


def check_members(members: Subset, plan: RoundPlan, name: str, peers: tuple[Peer, ...], what: str) -> None:
    """Raise ProtocolError unless ``members`` fit the plan, include ``name``, and are enough (guarantee C4)."""
    if members.size != len(plan.cohort):
        raise ProtocolError(f"members that {what}: of a cohort of {members.size}, not {len(plan.cohort)}")
    if bisect_left(plan.cohort, name) not in members:
        raise ProtocolError(f"members that {what}: this client, {name!r}, is not among them; refuse it")
    if len(members) < plan.secagg.min_survivors:
        raise ProtocolError(f"{len(members)} members {what}, at least {plan.secagg.min_survivors} are needed")
    near = sum(peer.position in members for peer in peers)
    if near < plan.secagg.threshold:
        raise ProtocolError(f"{near} neighbours {what}, the threshold is {plan.secagg.threshold}")
