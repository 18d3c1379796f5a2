import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.split import hold_out_photos, mostly, split_by_person
from mien.errors import ConfigError, DataError

PHOTOS = st.lists(st.integers(1, 9), min_size=2, max_size=30)


@settings(max_examples=100, deadline=None)
@given(photos=PHOTOS, fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**40), data=st.data())
def test_g_split_1_no_person_is_on_both_sides_and_no_row_is_lost(make_table, photos, fraction, seed, data):
    marks = data.draw(st.lists(st.integers(-1, 1), min_size=len(photos), max_size=len(photos)))
    table = make_table(photos, marks)
    for stratify in (None, "Chubby"):
        train, test = split_by_person(table, fraction, seed, stratify=stratify)
        assert not set(table.persons[train]) & set(table.persons[test])
        assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(table)))
        assert len(train)
        assert len(test)
        persons = len(np.unique(table.persons[test]))
        assert persons == min(max(round(fraction * len(photos)), 1), len(photos) - 1)
        assert train.dtype == test.dtype == np.int64
        assert (np.diff(train) > 0).all()


def test_g_split_2_the_draw_depends_on_seed_and_names_alone(make_table):
    table = make_table([2] * 20)
    shuffled = table.select(np.random.default_rng(5).permutation(len(table)))
    names = [{each.image_ids[row] for row in split_by_person(each, 0.3, 4)[1]} for each in (table, shuffled)]
    assert names[0] == names[1]
    draws = {tuple(split_by_person(table, 0.3, seed)[1]) for seed in range(20)}
    assert len(draws) == 20


def test_the_draw_never_changes(make_table):
    """A split that moved between versions would train on yesterday's test persons."""
    table = make_table([1] * 10)
    _, test = split_by_person(table, 0.3, 0)
    assert sorted(table.persons[test].tolist()) == [3, 5, 8]


def test_every_person_is_drawn_equally_often(make_table):
    table = make_table([1] * 10)
    counts = np.zeros(10)
    for seed in range(600):
        counts[table.persons[split_by_person(table, 0.3, seed)[1]]] += 1
    # Binomial(600, 0.3): standard deviation 11.2; five of them.
    assert np.abs(counts - 180).max() < 56


def test_a_rare_attribute_is_on_both_sides_when_asked_for(make_table):
    table = make_table([3] * 50, marks=[1 if n < 10 else 0 for n in range(50)])
    for seed in range(20):
        train, test = split_by_person(table, 0.2, seed, stratify="Chubby")
        assert table.label("Chubby")[test].sum() == 2 * 3
        assert table.label("Chubby")[train].sum() == 8 * 3


def test_mostly_counts_marked_photos_only(make_table):
    table = make_table([2, 2, 3], marks=[1, 0, 1])
    table.labels[table.rows_of_person(2)[:2]] = [[0], [-1]]  # one yes, one no, one unmarked
    table.labels[table.rows_of_person(1)] = -1
    assert mostly(table, "Chubby").tolist() == [1, -1, 1]


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, float("nan")])
def test_fractions_out_of_range(make_table, fraction):
    with pytest.raises(ConfigError, match="test_fraction"):
        split_by_person(make_table([1, 1]), fraction, 0)


def test_one_person_cannot_be_split(make_table):
    with pytest.raises(DataError, match="at least 2 persons: the dataset has 1"):
        split_by_person(make_table([5]), 0.5, 0)


def test_held_out_photos_are_a_share_of_each_person(make_table):
    table = make_table([10, 4, 3, 1])
    rows = np.flatnonzero(table.persons != 1)
    kept, held = hold_out_photos(table, rows, 0.3, 7)
    assert sorted([*kept, *held]) == rows.tolist()
    assert np.bincount(table.persons[held], minlength=4).tolist() == [3, 0, 0, 0]
    again = hold_out_photos(table, rows, 0.3, 7)[1]
    other = hold_out_photos(table, rows, 0.3, 8)[1]
    assert np.array_equal(held, again)
    assert not np.array_equal(held, other)
    assert hold_out_photos(table, rows, 0.0, 7)[1].size == 0
