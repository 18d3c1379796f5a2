"""This build conforms, and every planted fault is found by the checks that are named for it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mien.errors import ConfigError
from privacy.audit.conformance import check, selftest
from privacy.audit.conformance.build import Build
from privacy.audit.conformance.faults import FAULTS, planted
from privacy.audit.conformance.optimizer import Observed
from privacy.audit.evidence import AttackResult


@pytest.fixture(scope="module")
def verdicts():
    return list(selftest.run_checks())


def test_this_build_conforms(verdicts):
    assert [(one.name, one.found) for one in verdicts if not one.passed] == []
    assert len({one.name for one in verdicts}) == len(verdicts)


def test_a_correct_build_fails_with_less_than_one_in_a_million(verdicts):
    assert 0 < check.error_bound(verdicts) < 1e-6


def test_the_result_has_the_form_that_reports_read(verdicts):
    result = selftest.as_result(verdicts, 3.0)
    assert result.passed
    assert AttackResult.model_validate_json(result.model_dump_json()) == result
    broken = [*verdicts, check.exact("masks: sum", False, "wrong", "right", "x")]
    assert selftest.as_result(broken, 3.0).passed is False
    assert "masks: sum" in selftest.as_result(broken, 3.0).headline


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_by_its_named_checks(name):
    fault = FAULTS[name]
    parts = {"source", *(one.split(":")[0].split(",")[0] for one in fault.found_by)}
    groups = {"source": selftest.check_source, "optimizer": selftest.check_optimizer,
              "cohort": selftest.check_shares, "masks": selftest.check_masks,
              "leaving": selftest.check_leaving, "budget": selftest.check_budget}  # fmt: skip
    found = list(selftest.run_checks(planted(name), [groups[part] for part in groups if part in parts]))
    failed = {one.name for one in found if not one.passed}
    assert set(fault.found_by) <= failed
    assert failed < {one.name for one in found}, "a fault that fails everything was found by nothing"


def test_an_unknown_fault_is_refused_with_the_list():
    with pytest.raises(ConfigError, match="half-noise"):
        planted("quarter-noise")


def test_a_part_that_refuses_is_a_finding_and_not_the_end():
    found = list(selftest.run_checks(planted("reused-seed"), [selftest.check_masks, selftest.check_leaving]))
    assert [one.name for one in found if not one.passed] == ["masks: works"]
    assert found[-1].passed


def test_an_interval_holds_the_true_deviation_and_shrinks():
    draws = np.random.Generator(np.random.PCG64(1)).standard_normal(200_000) * 3.0
    low, high = check.deviation_interval(draws)
    assert low < 3.0 < high < 1.02 * low
    assert check.detectable_deficit(200_000) == pytest.approx(0.0140, abs=2e-4)


def test_p_values_of_right_draws_are_uniform_and_of_wrong_ones_small():
    generator = np.random.Generator(np.random.PCG64(2))
    found = {"shape": [], "correlation": [], "bytes": [], "mean": []}
    for _ in range(200):
        one, other = generator.standard_normal((2, 20_000))
        found["shape"].append(check.shape_p(one))
        found["correlation"].append(check.correlation_p(one, other))
        found["bytes"].append(check.bytes_p(generator.integers(0, 256, 20_000, np.uint8)))
        found["mean"].append(check.mean_p(one[:, None], 1.0))
    for name, values in found.items():
        assert stats.kstest(values, "uniform").pvalue > 1e-4, name
    laplace = generator.laplace(scale=0.5**0.5, size=20_000)
    assert check.shape_p(laplace) < 1e-8
    assert check.correlation_p(one, one + 10 * other) < 1e-8
    assert check.mean_p(one[:, None] + 0.1, 1.0) < 1e-8


@pytest.mark.slow
def test_p_values_of_the_real_optimizer_are_uniform():
    """200 short runs: the laws that the checks test against are those of the product, not near them."""
    from privacy.audit.conformance import optimizer

    x, target = optimizer._records()
    shapes, levels = [], []
    for _ in range(200):
        empty = Observed(Build()).steps(x[:0], target[:0], 40)
        shapes.append(float(optimizer._shape(empty).found.split("p = ")[1].split()[0]))
        z = ((empty / optimizer._deviation()) ** 2).sum()
        levels.append(stats.chi2.sf(z, empty.size))
    assert stats.kstest(shapes, "uniform").pvalue > 1e-4
    assert stats.kstest(levels, "uniform").pvalue > 1e-4
