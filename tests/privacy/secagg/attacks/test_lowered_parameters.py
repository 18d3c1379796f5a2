"""The server asks for a threshold, a neighbourhood or a cohort in which one colluder is enough."""

from __future__ import annotations

import pytest

from mien.errors import PolicyError
from privacy.secagg.policy import SecAggPolicy

LOWERED = [
    pytest.param({"threshold": 1}, 1, "above two thirds wanted", id="threshold of one"),
    pytest.param({"threshold": 6}, 6, "above two thirds wanted", id="threshold of two thirds"),
    pytest.param({"neighbours": 2, "threshold": 2}, 2, "2 neighbours, at least", id="two neighbours"),
]
SMALL = pytest.param({"min_survivors": 1}, 0, "min_survivors 1", id="one survivor")


def surrounded(attack, policy, colluders, **changes):
    adversary = attack(10, policy=policy, **changes)
    victim = adversary.plan.cohort[0]
    adversary.colluders = frozenset(adversary.near(victim)[:colluders])
    return adversary, victim


@pytest.mark.parametrize(("changes", "colluders", "why"), [*LOWERED, SMALL])
def test_a_plan_below_the_limits_of_the_device_is_refused_before_a_secret_is_drawn(
    attack, changes, colluders, why
):
    policy = SecAggPolicy(min_neighbours=4, security_bits=0)
    adversary, victim = surrounded(attack, policy, colluders, **changes)
    client = adversary.devices.client(victim)
    before = client.to_bytes()
    with pytest.raises(PolicyError, match=why):
        client.setup(adversary.setup_request(victim))
    assert client.to_bytes() == before


@pytest.mark.parametrize(("changes", "colluders", "why"), LOWERED)
def test_control_without_the_policy_the_colluders_open_the_vector(attack, lenient, changes, colluders, why):
    adversary, victim = surrounded(attack, lenient, colluders, **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SecAggPolicy, "check", lambda self, plan: None)
        adversary.set_up()
        adversary.upload(victim, adversary.plan.cohort)
    assert adversary.recovered(victim)


def test_a_neighbourhood_too_small_for_the_cohort_is_refused_by_the_default_policy(attack):
    adversary = attack(60, policy=SecAggPolicy(), neighbours=6, threshold=5)
    victim = adversary.plan.cohort[0]
    with pytest.raises(PolicyError, match="6 neighbours with threshold 5"):
        adversary.devices.client(victim).setup(adversary.setup_request(victim))
    enough = attack(60, policy=SecAggPolicy(), neighbours=26, threshold=19)
    enough.devices.client(victim).setup(enough.setup_request(victim))


def test_control_in_a_small_neighbourhood_of_colluders_the_vector_is_open(attack, lenient):
    adversary = attack(60, policy=lenient, neighbours=6, threshold=5)
    victim = adversary.plan.cohort[0]
    adversary.colluders = frozenset(adversary.near(victim))
    adversary.set_up()
    adversary.upload(victim, adversary.plan.cohort)
    assert adversary.recovered(victim)
