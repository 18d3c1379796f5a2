from __future__ import annotations

import pytest

from mien.errors import PolicyError
from privacy.secagg.policy import SecAggPolicy, colluders_stood, honest_sum

COHORT = [f"d{index:02d}" for index in range(12)]


@pytest.mark.parametrize(
    ("policy", "plan", "reason"),
    [
        ({"min_cohort": 13}, {}, "cohort of 12, at least 13 wanted"),
        ({"min_neighbours": 11}, {"neighbours": 10}, "10 neighbours, at least 11 wanted"),
        ({}, {"threshold": 7}, "threshold 7 of 11 neighbours, above two thirds wanted"),
        ({}, {"neighbours": 6, "threshold": 4}, "threshold 4 of 6 neighbours, above two thirds wanted"),
        ({"min_survivors": 9}, {"min_survivors": 8}, "min_survivors 8, at least 9 wanted"),
        ({"min_honest_sum": 10}, {}, "a sum could cover 9 honest, at least 10 wanted"),
        (
            {"collusion": 0.5, "security_bits": 1.0},
            {},
            r"6 colluders in one neighbourhood must be stood \(50% .* 11 neighbours with threshold 8 stand 4",
        ),
        (
            {"security_bits": 40.0},
            {"neighbours": 4},
            r"but for 2\^-40\); 4 neighbours with threshold 3 stand 1",
        ),
        ({"field_bits": (32,)}, {"field_bits": 64}, r"field of 64 bits, one of \(32,\) wanted"),
        ({"max_vector_length": 39}, {}, "vector of 40, at most 39 wanted"),
        ({"max_clipping_norm": 0.5}, {}, "clipping norm 1, at most 0.5 wanted"),
        ({"max_weight_bound": 0.5}, {}, "weight bound 1, at most 0.5 wanted"),
        ({"min_noise_multiplier": 1.0}, {"mode": "device"}, "noise multiplier 0, at least 1 wanted"),
        (
            {"min_noise_multiplier": 1.0},
            {"mode": "distributed", "noise": "none", "noise_multiplier": 5.0},
            "noise multiplier 0, at least 1 wanted",
        ),
        ({"modes": ("device",)}, {}, "mode 'silo', one of"),
        ({"purposes": ("faces",)}, {}, "purpose 'test', one of"),
    ],
)
def test_every_limit_is_enforced_and_named(plan_for, policy, plan, reason):
    changed = plan_for(COHORT, **plan)
    lax = SecAggPolicy(
        min_neighbours=2, security_bits=0.0, collusion=0.2, modes=("silo", "device", "distributed")
    )
    if "threshold" not in plan:
        lax.check(changed)
    with pytest.raises(PolicyError, match=reason):
        lax.model_copy(update=policy).check(changed)


def test_all_broken_limits_are_told_at_once(plan_for):
    with pytest.raises(PolicyError, match="cohort of 3, at least 5 wanted; 2 neighbours, at least 4 wanted"):
        SecAggPolicy().check(plan_for(COHORT[:3]))


def test_noise_in_the_plan_is_enough(plan_for):
    plan = plan_for(COHORT, mode="device", noise="skellam", noise_multiplier=1.0)
    SecAggPolicy(min_noise_multiplier=1.0).check(plan)


def test_guaranteed_figures_of_a_plan(plan_for):
    full = plan_for(COHORT, min_survivors=10)
    assert (full.secagg.neighbours, full.secagg.threshold) == (11, 8)
    assert colluders_stood(full) == 4
    assert honest_sum(full, 4) == 6
    assert honest_sum(full, 1) == 9
    sparse = plan_for(COHORT, neighbours=6)
    assert (sparse.secagg.threshold, colluders_stood(sparse), honest_sum(sparse, 3)) == (5, 3, 3)
