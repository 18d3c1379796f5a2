"""Deal the rows of a table to clients: whole persons, skewed whole persons, or photos at random.

G-PART-1. Every given row goes to exactly one client, and no client is left without data (EmptyClientError).

G-PART-2. With ``person`` and ``dirichlet`` all photos of a person go to one client, so that what a client
adds to a model, and what its privacy ledger counts, covers each of its persons completely. Assumption: the
dataset's identities are right. ``iid`` does NOT keep this: a person is then spread over many clients, whose
budgets would add up. It is for comparisons only.

Why not the partitioners of ``flwr-datasets``: they partition rows of a Hugging Face ``datasets.Dataset``
(pyarrow, pandas, a hub client), while a FaceTable is a handful of memory-mapped arrays; the Dirichlet one
draws single rows, so it tears persons apart; those that follow a natural id make one client of each id, or
group ids by number without balancing photos; and only the floors of client and server may know Flower.

``dirichlet`` follows Yurochkin et al. 2019 and Hsu et al. 2019: for each value of an attribute, the shares of
the clients are one draw of a symmetric Dirichlet distribution. Here a share is filled with whole persons, by
what most of a person's photos say; small alpha gives clients with one value only, large alpha equal clients.
``alpha`` may be infinite: equal shares. With many clients and a small alpha no draw leaves everybody with a person;
then the draw that leaves the fewest without is taken, and they get one each from whoever has the most persons.
"""

from __future__ import annotations

import heapq
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faces.sample import FaceTable
from faces.split import in_drawn_order, mostly
from mien.errors import ConfigError, EmptyClientError

Rows = NDArray[np.int64]
Scheme = Literal["person", "dirichlet", "iid"]

_DRAWS = 100


def partition(
    table: FaceTable,
    rows: Rows,
    scheme: Scheme,
    clients: int,
    seed: int,
    *,
    alpha: float = 1.0,
    attribute: str | None = None,
    min_persons: int = 1,
) -> list[Rows]:
    """Return the rows of each client, int64 ascending, ``clients`` arrays.

    ``person`` balances photos between clients; ``dirichlet`` skews ``attribute`` with concentration
    ``alpha``; ``iid`` deals photos. ``min_persons`` is the fewest persons that a client may have under the
    first two.

    Raises EmptyClientError, naming a client, where there are too few persons or photos for that, and ConfigError
    for values out of range.
    """
    if clients < 1 or min_persons < 1:
        raise ConfigError(f"clients is {clients}, min_persons {min_persons}: expected at least 1 of each.")
    rows = np.asarray(rows, dtype=np.int64)
    if scheme == "iid":
        return _by_photo(rows, clients, seed)
    if scheme not in {"person", "dirichlet"}:
        raise ConfigError(f"partition is {scheme!r}: expected person, dirichlet or iid.")

    persons = np.unique(table.persons[rows])
    if len(persons) < clients * min_persons:
        raise EmptyClientError(
            f"Client {len(persons) // min_persons} has no data: {len(persons)} persons were to be dealt to "
            f"{clients} clients, at least {min_persons} each. Use at most {len(persons) // min_persons} "
            "clients, or more persons."
        )
    order = in_drawn_order(table, persons.tolist(), seed, "partition")
    photos = np.bincount(table.persons[rows], minlength=len(table.person_names))
    if scheme == "person":
        owners = _balanced(order, photos, clients, min_persons)
    else:
        if attribute is None:
            raise ConfigError("The dirichlet partition needs an attribute to be skewed by: name one.")
        mark = mostly(table, attribute)
        owners = _skewed(order, photos, mark, clients, alpha, seed, min_persons)
    return _rows_of_owners(table, rows, owners, clients)


def _by_photo(rows: Rows, clients: int, seed: int) -> list[Rows]:
    if len(rows) < clients:
        raise EmptyClientError(
            f"Client {len(rows)} has no data: {len(rows)} photos were to be dealt to {clients} clients. "
            f"Use at most {len(rows)} clients, or more photos."
        )
    shuffled = np.random.default_rng(seed).permutation(rows)
    return [np.sort(part) for part in np.array_split(shuffled, clients)]


def _balanced(order: list[int], photos: NDArray[np.int64], clients: int, min_persons: int) -> dict[int, int]:
    """Give each person, most photos first, to the client that has the fewest photos; return person → client.

    Clients with fewer than ``min_persons`` persons come first.
    """
    held = [0] * clients
    queue = [(False, 0, client) for client in range(clients)]  # (has enough persons, photos, client)
    owners: dict[int, int] = {}
    for person in sorted(order, key=lambda each: -int(photos[each])):
        _, load, client = queue[0]
        owners[person] = client
        held[client] += 1
        heapq.heapreplace(queue, (held[client] >= min_persons, load + int(photos[person]), client))
    return owners


def _skewed(
    order: list[int],
    photos: NDArray[np.int64],
    mark: NDArray[np.int8],
    clients: int,
    alpha: float,
    seed: int,
    min_persons: int,
) -> dict[int, int]:
    """Fill Dirichlet shares of each group of equal mark with whole persons; return person → client.

    Shares that leave a client with too few persons are drawn again, and mended where drawing does not help.
    """
    if not alpha > 0.0:
        raise ConfigError(f"alpha is {alpha}: expected more than 0 (0.1 is very uneven, 100 nearly even).")
    generator = np.random.default_rng(seed)
    groups = [[person for person in order if mark[person] == value] for value in (1, 0, -1)]
    best: tuple[int, dict[int, int]] | None = None
    for _ in range(_DRAWS):
        owners: dict[int, int] = {}
        for group in groups:
            shares = np.full(clients, 1.0 / clients)
            if np.isfinite(alpha):
                shares = generator.dirichlet(np.full(clients, alpha))
            size = photos[group].astype(np.float64)
            # A person goes where the middle of their photos falls.
            middle = (np.cumsum(size) - size / 2.0) / max(float(size.sum()), 1.0)
            chosen = np.minimum(np.searchsorted(np.cumsum(shares), middle), clients - 1)
            owners.update(zip(group, chosen.tolist(), strict=True))
        held = np.bincount(list(owners.values()), minlength=clients)
        lacking = int(np.maximum(min_persons - held, 0).sum())
        if best is None or lacking < best[0]:
            best = lacking, owners
        if lacking == 0:
            break
    return _mended(best[1] if best else {}, clients, min_persons)


def _mended(owners: dict[int, int], clients: int, min_persons: int) -> dict[int, int]:
    """Give each client that has too few persons the last ones of whoever has the most."""
    persons: list[list[int]] = [[] for _ in range(clients)]
    for person, client in owners.items():
        persons[client].append(person)
    for poor in persons:
        while len(poor) < min_persons:
            poor.append(max(persons, key=len).pop())
    return {person: client for client, own in enumerate(persons) for person in own}


def _rows_of_owners(table: FaceTable, rows: Rows, owners: dict[int, int], clients: int) -> list[Rows]:
    client_of = np.full(len(table.person_names), -1, dtype=np.int64)
    client_of[list(owners)] = list(owners.values())
    owner = client_of[table.persons[rows]]
    return [np.sort(rows[owner == client]) for client in range(clients)]
