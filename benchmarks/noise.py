"""Integer noise: draws a second, the floor of the generator, and how exact the draws are.

    python benchmarks/noise.py [--quick] [--json FILE] [--check]

Times are processor seconds of one thread, the best of several interleaved runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from _table import Row, at_least, at_most, main
from scipy import special

from privacy.mechanisms.clipping import l2_clip
from privacy.mechanisms.discrete_gaussian import DiscreteGaussianLaw, discrete_gaussian
from privacy.mechanisms.skellam import SkellamLaw, skellam
from privacy.mechanisms.strips import StripSampler
from privacy.randomness import SystemSource

COUNT = 1 << 20
SHARE = (1.0 * 65_536) ** 2 / 50  # noise multiplier 1, clipping norm 1, scale 2^16, 50 honest survivors


def best_times(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the least processor time of each task, the tasks taking turns."""
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.thread_time()
            task()
            best[name] = min(best[name], time.thread_time() - start)
    return best


def _two_poissons(variance: float) -> np.ndarray:
    generator = np.random.default_rng()
    return generator.poisson(variance / 2, COUNT) - generator.poisson(variance / 2, COUNT)


def measure(quick: bool) -> list[Row]:
    """Return the rows of the table."""
    source = SystemSource()
    tasks: dict[str, Callable[[], object]] = {
        "generator, 32-bit words": lambda: source.uint32(COUNT),
        "generator, 64-bit words": lambda: source.uint64(COUNT),
    }
    for label, variance in (("50", 50.0), ("a share (8.6e7)", SHARE), ("2^60", 2.0**60)):
        tasks[f"Skellam, variance {label}"] = lambda v=variance: skellam(COUNT, v, source)
        tasks[f"discrete Gaussian, variance {label}"] = lambda v=variance: discrete_gaussian(COUNT, v, source)
    peers = {
        "peer: numpy, two Poissons (not secure)": lambda: _two_poissons(SHARE),
        "peer: numpy normal, rounded (not secure, not exact)": lambda: np.rint(
            np.random.default_rng().normal(0.0, SHARE**0.5, COUNT)
        ),
    }
    times = best_times({**tasks, **peers}, 3 if quick else 10)
    rows = []
    for name, seconds in times.items():
        rate = COUNT / seconds / 1e6
        if name in peers or name.startswith("generator"):
            rows.append(Row(name, rate, "M/s", note="floor" if name.startswith("generator") else ""))
        else:
            rows.append(at_least(name, rate, "M draws/s", 20.0, note=f"{1e3 / rate:.1f} ns a draw"))
    return rows + _exactness() + _cost_of_a_share(source)


def _exactness() -> list[Row]:
    """Compare the probabilities that the tables imply with an independent evaluation of the law."""
    rows = []
    for name, law, log_pmf in (
        ("Skellam", SkellamLaw(5000.0), lambda x: np.log(special.ive(np.abs(x), 5000.0))),
        ("discrete Gaussian", DiscreteGaussianLaw(5000.0), lambda x: -(x**2) / 10_000.0),
    ):
        sampler = StripSampler(law)
        width = 1 << sampler._shift
        x = (sampler._base[:, None] + np.arange(width)).ravel()
        strips = np.repeat(np.arange(len(sampler._base)), width)
        share = np.exp(law.log_ratio(x.astype(float))) * sampler._scale - sampler._certain[strips]
        implied = sampler._certain[strips] + share
        expected = np.exp(log_pmf(x))
        gap = np.abs(implied / implied.sum() / (expected / expected.sum()) - 1).max()
        rows.append(at_most(f"{name}: largest relative error of a probability", float(gap), "", 1e-9))
        rows.append(at_most(f"{name}: draws rejected", 100 * (1 - implied.sum() / width / 65_536), "%", 5.0))
        start = time.thread_time()
        StripSampler(law)
        rows.append(Row(f"{name}: building the tables", 1e3 * (time.thread_time() - start), "ms"))
    return rows


def _cost_of_a_share(source: SystemSource) -> list[Row]:
    vector = np.random.default_rng(1).normal(size=COUNT)
    times = best_times(
        {
            "copy": lambda: vector.copy(),
            "clip 2^20 values": lambda: l2_clip(vector, 1.0),
            "one share of noise for 2^20 values": lambda: skellam(COUNT, SHARE, source),
        },
        5,
    )
    return [
        Row(name, 1e3 * seconds, "ms", note=f"{seconds / times['copy']:.0f}× a copy")
        for name, seconds in times.items()
    ]


if __name__ == "__main__":
    main("Integer noise", measure)
