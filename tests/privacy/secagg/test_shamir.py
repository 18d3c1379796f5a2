from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import ProtocolError
from privacy.randomness import TestOnlySource
from privacy.secagg import shamir

elements = st.integers(0, shamir.PRIME - 1).map(lambda value: value.to_bytes(32, "little"))


def naive_combine(shares: dict[int, bytes]) -> bytes:
    """Lagrange interpolation at zero, one inversion a point, as in the textbook."""
    total = 0
    for point, share in shares.items():
        weight = 1
        for other in shares:
            if other != point:
                weight = weight * other * pow(other - point, -1, shamir.PRIME) % shamir.PRIME
        total += weight * int.from_bytes(share, "little")
    return (total % shamir.PRIME).to_bytes(32, "little")


@settings(max_examples=60, deadline=None)
@given(secret=elements, size=st.integers(1, 12), data=st.data())
def test_any_threshold_of_shares_opens_the_secret(secret, size, data):
    threshold = data.draw(st.integers(1, size))
    points = data.draw(st.lists(st.integers(1, 100_001), min_size=size, max_size=size, unique=True))
    source = TestOnlySource(data.draw(st.integers(0, 99)))
    shares = dict(zip(points, shamir.split(secret, threshold, points, source), strict=True))
    chosen = data.draw(st.permutations(points))[:threshold]
    some = {point: shares[point] for point in chosen}
    assert shamir.combine(some, threshold) == naive_combine(some) == secret
    assert shamir.combine(shares, threshold) == secret


def test_every_subset_of_five_and_none_of_four():
    secret = (12345).to_bytes(32, "little")
    points = range(1, 8)
    shares = dict(zip(points, shamir.split(secret, 5, points, TestOnlySource(1)), strict=True))
    for chosen in itertools.combinations(points, 5):
        assert shamir.combine({point: shares[point] for point in chosen}, 5) == secret
    for chosen in itertools.combinations(points, 4):
        assert naive_combine({point: shares[point] for point in chosen}) != secret


def test_fewer_shares_fit_every_secret():
    """With one share too few, each candidate secret has exactly one polynomial: nothing is excluded."""
    shares = dict(zip((1, 2, 3), shamir.split(bytes(32), 3, (1, 2, 3), TestOnlySource(2)), strict=True))
    two = {1: shares[1], 2: shares[2]}
    for candidate in (0, 1, 77):
        with_candidate = {**two, 0: candidate.to_bytes(32, "little")}
        third = 0  # interpolate the candidate's polynomial at 3
        for point, share in with_candidate.items():
            weight = 1
            for other in with_candidate:
                if other != point:
                    weight = weight * (3 - other) * pow(point - other, -1, shamir.PRIME) % shamir.PRIME
            third += weight * int.from_bytes(share, "little")
        completed = {**two, 3: (third % shamir.PRIME).to_bytes(32, "little")}
        assert int.from_bytes(shamir.combine(completed, 3), "little") == candidate


def test_wrong_uses_are_refused():
    source = TestOnlySource(3)
    with pytest.raises(ProtocolError, match="3 shares are needed, got 2"):
        shamir.combine({1: bytes(32), 2: bytes(32)}, 3)
    for points, threshold in (((1, 1), 2), ((0, 1), 2), ((1, 2), 3), ((1, 2), 0)):
        with pytest.raises(ProtocolError, match="distinct positive points"):
            shamir.split(bytes(32), threshold, points, source)
    too_large = shamir.PRIME.to_bytes(32, "little")
    for bad in (too_large, b"\xff" * 32, bytes(31)):
        with pytest.raises(ProtocolError, match="not a field element"):
            shamir.split(bad, 1, (1,), source)
        with pytest.raises(ProtocolError, match="not a field element"):
            shamir.combine({1: bad}, 1)


def test_random_elements_are_in_the_field_and_spread():
    source = TestOnlySource(4)
    values = [int.from_bytes(shamir.random_element(source), "little") for _ in range(2000)]
    assert all(value < shamir.PRIME for value in values)
    assert len(set(values)) == 2000
    top = sum(value >> 254 for value in values)
    assert 850 < top < 1150
