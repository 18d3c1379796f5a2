import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.partition import partition
from mien.errors import ConfigError, EmptyClientError


@settings(max_examples=100, deadline=None)
@given(
    photos=st.lists(st.integers(1, 9), min_size=4, max_size=40),
    clients=st.integers(1, 4),
    seed=st.integers(0, 2**32),
    scheme=st.sampled_from(["person", "dirichlet", "iid"]),
    data=st.data(),
)
def test_g_part_1_and_2_every_row_once_and_persons_whole(make_table, photos, clients, seed, scheme, data):
    marks = data.draw(st.lists(st.integers(-1, 1), min_size=len(photos), max_size=len(photos)))
    table = make_table(photos, marks)
    rows = np.flatnonzero(table.persons != 0) if len(photos) > clients else np.arange(len(table))
    parts = partition(table, rows, scheme, clients, seed, alpha=2.0, attribute="Chubby")
    assert len(parts) == clients
    assert sorted(np.concatenate(parts).tolist()) == rows.tolist()
    assert all(len(part) and (np.diff(part) > 0).all() for part in parts)
    if scheme != "iid":
        owners = [set(table.persons[part]) for part in parts]
        assert sum(len(owner) for owner in owners) == len(set().union(*owners))


def test_person_balances_photos(make_table):
    rng = np.random.default_rng(3)
    table = make_table(rng.integers(1, 35, 200).tolist())
    sizes = [len(part) for part in partition(table, np.arange(len(table)), "person", 20, 0)]
    assert max(sizes) - min(sizes) <= 2


def test_person_gives_each_client_its_fewest_persons(make_table):
    table = make_table([50, 50, 1, 1, 1, 1])
    parts = partition(table, np.arange(len(table)), "person", 2, 0, min_persons=3)
    assert [len(np.unique(table.persons[part])) for part in parts] == [3, 3]


def test_dirichlet_is_skewed_by_alpha(make_table):
    table = make_table([2] * 600, marks=[n % 2 for n in range(600)])

    def spread(alpha):
        parts = partition(table, np.arange(1200), "dirichlet", 8, 1, alpha=alpha, attribute="Chubby")
        return np.std([table.label("Chubby")[part].mean() for part in parts])

    assert spread(0.3) > 0.2 > 0.08 > spread(200.0)


def test_dirichlet_shares_are_dirichlet(make_table):
    """The share of one client has the mean and the variance of its Beta(α, (n−1)α) marginal."""
    table = make_table([1] * 400, marks=[1] * 400)
    shares = [
        len(partition(table, np.arange(400), "dirichlet", 4, seed, alpha=2.0, attribute="Chubby")[0]) / 400
        for seed in range(300)
    ]
    variance = 0.25 * 0.75 / (4 * 2.0 + 1)
    assert np.mean(shares) == pytest.approx(0.25, abs=4 * np.sqrt(variance / 300))
    assert np.var(shares) == pytest.approx(variance, rel=0.35)


def test_iid_deals_photos_evenly_and_at_random(make_table):
    table = make_table([10] * 10)
    parts = partition(table, np.arange(100), "iid", 7, 0)
    assert sorted(len(part) for part in parts) == [14] * 5 + [15] * 2
    assert np.mean([len(np.unique(table.persons[part])) for part in parts]) > 6
    other = partition(table, np.arange(100), "iid", 7, 1)
    assert not np.array_equal(parts[0], other[0])


@pytest.mark.parametrize("scheme", ["person", "dirichlet", "iid"])
def test_the_same_seed_gives_the_same_clients(make_table, scheme):
    table = make_table([3] * 30, marks=[n % 2 for n in range(30)])
    first, second, other = (
        partition(table, np.arange(90), scheme, 5, seed, alpha=5.0, attribute="Chubby") for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_client_without_data_is_named(make_table):
    table = make_table([5, 5, 5], marks=[0, 1, 1])
    rows = np.arange(15)
    with pytest.raises(EmptyClientError, match=r"Client 3 has no data: 3 persons .* 5 clients.*at most 3"):
        partition(table, rows, "person", 5, 0)
    with pytest.raises(EmptyClientError, match=r"Client 15 has no data: 15 photos"):
        partition(table, rows, "iid", 16, 0)
    with pytest.raises(EmptyClientError, match=r"Client 3 has no data: 3 persons"):
        partition(table, rows, "dirichlet", 5, 0, alpha=1e-3, attribute="Chubby")


@pytest.mark.parametrize("alpha", [1e-3, 0.1, 1.0, float("inf")])
def test_any_alpha_gives_every_client_somebody(make_table, alpha):
    """With 50 clients and a small alpha no draw does that; the draw is mended."""
    table = make_table([2] * 120, marks=[n % 3 == 0 for n in range(120)])
    parts = partition(
        table, np.arange(240), "dirichlet", 50, 1, alpha=alpha, attribute="Chubby", min_persons=2
    )
    persons = [np.unique(table.persons[part]) for part in parts]
    assert min(map(len, persons)) >= 2
    assert sorted(np.concatenate(parts).tolist()) == list(range(240))
    assert sum(map(len, persons)) == 120, "whole persons"


def test_infinite_alpha_gives_equal_shares_of_every_mark(make_table):
    table = make_table([1] * 200, marks=[n % 2 for n in range(200)])
    parts = partition(table, np.arange(200), "dirichlet", 10, 1, alpha=float("inf"), attribute="Chubby")
    assert [len(part) for part in parts] == [20] * 10
    assert [int(table.label("Chubby")[part].sum()) for part in parts] == [10] * 10


@pytest.mark.parametrize(
    ("scheme", "options", "message"),
    [
        ("natural", {}, "partition is 'natural'"),
        ("person", {"clients": 0}, "clients is 0"),
        ("person", {"min_persons": 0}, "min_persons 0"),
        ("dirichlet", {"alpha": 0.0, "attribute": "Chubby"}, "alpha is 0"),
        ("dirichlet", {}, "needs an attribute"),
    ],
)
def test_wrong_values_are_config_errors(make_table, scheme, options, message):
    table = make_table([2] * 6, marks=[0, 1] * 3)
    with pytest.raises(ConfigError, match=message):
        partition(table, np.arange(12), scheme, **{"clients": 2, "seed": 0, **options})
