"""From a target to noise."""

from __future__ import annotations

import pytest

from mien.errors import PrivacyError
from privacy.accounting.calibration import noise_for, noise_for_device
from privacy.accounting.curve import ONLINE_GRID
from privacy.accounting.epsilon import epsilon
from privacy.accounting.events import Composed, GaussianSum, PoissonGaussian


@pytest.mark.parametrize(
    ("rate", "steps", "delta", "target", "expected"),
    [
        (0.08, 650, 1e-3, 1, 5.336),
        (0.08, 650, 1e-3, 2, 3.063),
        (0.08, 650, 1e-3, 4, 1.839),
        (0.01, 1000, 1e-5, 1, 1.416),
        (0.1, 100, 1e-3, 2, 1.674),
    ],
)
def test_the_published_multipliers(rate, steps, delta, target, expected):
    noise = noise_for(target, delta, rate=rate, steps=steps)
    assert noise == pytest.approx(expected, abs=2.1e-3)
    assert epsilon([PoissonGaussian(rate, noise, steps)], delta).epsilon <= target
    less = epsilon([PoissonGaussian(rate, noise * 0.998, steps)], delta, grid=ONLINE_GRID).epsilon
    assert less > target  # the smallest, to the digits that are given


def test_device_mode_has_a_closed_form():
    noise = noise_for_device(4.0, 1e-5, rounds=100)
    assert noise == pytest.approx(10.0 * 1.0811, rel=2e-3)
    assert epsilon([Composed((GaussianSum(noise),), 100)], 1e-5).epsilon <= 4.0
    amplified = noise_for_device(4.0, 1e-5, rounds=100, client_rate=0.1)
    assert amplified < noise / 5
    assert noise_for_device(4.0, 1e-5, rounds=100, neighbouring="replace") == pytest.approx(
        2 * noise, rel=2e-3
    )


@pytest.mark.parametrize("target", [0.0, -1.0, float("nan")])
def test_a_senseless_target_is_refused(target):
    with pytest.raises(PrivacyError, match="target epsilon"):
        noise_for(target, 1e-5, rate=0.1, steps=10)


def test_an_unreachable_target_is_refused():
    with pytest.raises(PrivacyError, match="no noise multiplier"):
        noise_for_device(1e-6, 1e-10, rounds=10**9)
