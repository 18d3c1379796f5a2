"""A session is a plan without its model."""

from __future__ import annotations

from privacy.plan import RoundPlan

COHORT = ("a", "b", "c")


def test_plans_that_differ_in_the_model_alone_share_a_session(plan_for):
    one, two = (plan_for(COHORT, model_hash=digits * 32) for digits in ("ab", "cd"))
    assert one.hash != two.hash
    assert one.session_hash == two.session_hash == one.session.hash
    assert one.session.model_hash is None
    assert one.session.session == one.session
    assert RoundPlan.from_bytes(one.session.to_bytes()) == one.session


def test_any_other_difference_is_another_session(plan_for):
    plans = [
        plan_for(COHORT, **change)
        for change in (
            {},
            {"round": 2},
            {"run": "other"},
            {"purpose": "other"},
            {"threshold": 2, "neighbours": 2, "min_survivors": 3},
            {"vector_length": 41},
            {"clipping_norm": 2.0},
            {"steps": 2},
            {"deadline_seconds": 1.0},
        )
    ]
    assert len({plan.session_hash for plan in plans}) == len(plans)
