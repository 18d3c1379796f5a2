"""What one masked vector looks like, and that no keystream is ever used twice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from privacy.secagg import masking


@pytest.mark.parametrize("bits", [32, 64])
def test_a_masked_vector_of_zeros_passes_uniformity_tests(attack, bits):
    adversary = attack(5, field_bits=bits, vector_length=200_000, min_survivors=3)
    adversary.set_up()
    name = adversary.plan.cohort[0]
    zeros = np.zeros(200_000, dtype=f"<i{bits // 8}")
    adversary.upload(name, adversary.plan.cohort, vector=zeros)
    words = adversary.uploads[name][1]
    raw = words.view(np.uint8)
    assert stats.chisquare(np.bincount(raw, minlength=256)).pvalue > 1e-6
    pairs = raw[0::2].astype(np.int64) << 8 | raw[1::2]
    assert stats.chisquare(np.bincount(pairs, minlength=1 << 16)).pvalue > 1e-6
    assert stats.kstest(words / 2.0**bits, "uniform").pvalue > 1e-6
    centred = words / 2.0**bits - 0.5
    for lag in (1, 2, 65_536):  # a mask's block is 65,536 words of 32 bits
        correlation = float(np.mean(centred[:-lag] * centred[lag:]) * 12 * np.sqrt(len(words) - lag))
        assert abs(correlation) < 5
    assert len(np.unique(words)) > len(words) * (0.999 if bits == 32 else 1) - 20


def test_control_the_same_vector_under_no_mask_fails_them(uniform):
    assert not uniform(np.arange(-1000, 1000, dtype="<i4").view(np.uint32))


def test_no_key_masks_twice_over_rounds_and_runs(attack, monkeypatch):
    """Every pairwise key is used by its two members, once each; every self key once."""
    used = {}
    honest = masking.mask_vector

    def recording(vector, masks, *arguments):
        masks = list(masks)
        for key, _ in masks:
            used[key] = used.get(key, 0) + 1
        tag_keys.append(arguments[0])
        return honest(vector, masks, *arguments)

    tag_keys = []
    monkeypatch.setattr(masking, "mask_vector", recording)
    adversary = attack(6)
    devices = adversary.devices
    for number, run in ((1, "run"), (2, "run"), (3, "run"), (1, "other"), (2, "other")):
        if (number, run) == (1, "run"):
            devices.set_up()
            devices.upload()
            devices.unmask()
        else:
            devices.run(round=number, run=run)
    uses = sorted(used.values())
    assert uses == [1] * 30 + [2] * 75, "5 rounds of 6 self masks, and of 15 pairs"
    assert len(set(tag_keys)) == len(tag_keys) == 30
    assert not set(tag_keys) & set(used)


def test_the_blocks_of_a_mask_do_not_repeat():
    mask = masking.expand(bytes(range(32)), 4 * masking.BLOCK // 4 + 100, 32)
    blocks = mask.view(np.uint8)[: mask.nbytes // 16 * 16].reshape(-1, 16)
    assert len(np.unique(blocks, axis=0)) == len(blocks)
