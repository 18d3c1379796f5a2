"""One device: its name, its secrets, its ledger, and what is kept of them between two messages.

In a deployment a ClientApp is a new process for each message, so everything that a later message needs is in
the device's own folder, readable by its owner alone, and written whole or not at all. Simulated devices of one
process keep their secrets in memory instead; their ledgers are on the disk all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from client.data import device_table
from configs.schema import RunConfig
from faces.sample import FaceTable
from mien.files import write_atomic
from privacy.ledger.ledger import Ledger
from privacy.ledger.records import Budget
from privacy.randomness import RandomSource, SystemSource, TestOnlySource
from privacy.secagg.client import SecAggClient
from privacy.secagg.identity import Identity
from privacy.secagg.policy import SecAggPolicy

PURPOSE = "attributes"
_STATE = "secagg.state"


class Device:
    """The state of one device in one federation, kept in ``home``."""

    def __init__(self, home: Path, name: str, config: RunConfig, *, in_memory: bool) -> None:
        self.home, self.name, self.config = home, name, config
        self._in_memory = in_memory
        self._secagg: SecAggClient | None = None
        self._table: FaceTable | None = None

    def source(self, *labels: str) -> RandomSource:
        """Return where this device's randomness for one task comes from.

        The repeatable source is used only where the run config says ``test-only``, which every report repeats.
        """
        if self.config.privacy.randomness == "test-only":
            return TestOnlySource(self.config.seed, self.name, *labels)
        return SystemSource()

    @contextmanager
    def secagg(self, task: str, request: object) -> Iterator[SecAggClient]:
        """Lend this device's half of secure aggregation; what it remembers is kept when the block ends well.

        It is on the disk before an answer can leave, so a crash never makes the device answer twice.
        """
        client = self._secagg or self._load_secagg(self.source("secagg", task, repr(request)))
        yield client
        if self._in_memory:
            self._secagg = client
        else:
            write_atomic(self.home / self.name / _STATE, client.to_bytes(), mode=0o600)

    def _load_secagg(self, source: RandomSource) -> SecAggClient:
        state = self.home / self.name / _STATE
        if state.exists():
            return SecAggClient.from_bytes(state.read_bytes(), source)
        identity = Identity.generate(self.source("identity"))
        return SecAggClient.create(self.name, identity, None, self.policy(), source)

    def policy(self) -> SecAggPolicy:
        """Return the least protection that this device accepts, whatever the coordinator's plan says."""
        fewest = min(self.config.rounds.min_survivors, self.config.rounds.cohort)
        return SecAggPolicy(
            min_cohort=fewest,
            min_neighbours=max(1, fewest - 1),
            min_survivors=fewest,
            collusion=self.config.privacy.collusion,
            min_noise_multiplier=self.config.privacy.min_noise_multiplier,
            modes=(self.config.privacy.mode,),
        )

    @property
    def local_head(self) -> Path:
        """The file of the parameters that never leave this device."""
        return self.home / "local" / f"{self.name}.safetensors"

    def table(self, node_config: Mapping[str, object]) -> FaceTable:
        """Return this device's prepared photos; a simulated device of one process loads them once."""
        table = self._table or device_table(self.config, node_config)
        if self._in_memory:
            self._table = table
        return table

    def budget(self) -> Budget:
        """Return what this device is willing to spend in all."""
        return Budget(self.config.privacy.epsilon, self.config.privacy.delta)

    def ledger(self) -> Ledger:
        """Open this device's ledger.

        It is bound to the *collection* of photos, not to their content: a photo more or less changes nothing of
        what the same people have paid. Ledgers of simulated devices say that they are such, and skip the disk's
        flush.
        """
        collection = f"{self.config.data.source} {self.name}"
        dataset = hashlib.sha256(collection.encode()).hexdigest()
        return Ledger.open(
            self.home / "ledger" / f"{self.name}.jsonl",
            device=self.name,
            dataset=dataset,
            budgets={PURPOSE: self.budget()},
            anchor=self.home / "anchors" / f"{self.name}.json",
            simulated=self._in_memory,
        )
