"""The coordinator: drives the rounds of a run, phase by phase, and writes down what happens.

In the steady state a round is two message phases: *train* brings the masked vectors, *unmask* opens their sum
and, in the same breath, sets the next round's keys up. Only the first round has a phase of its own for that.
A round that loses too many clients opens nothing; it is written down with its reason, and the next one begins.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from flwr.serverapp import Grid

from configs.schema import RunConfig
from faces.sample import FaceTable
from mien.errors import MienError, ProtocolError, RoundAbortedError, RunError
from mien.files import sha256_file
from mien.wire import Part, bytes_part
from models.augmentation import check_augmentation
from models.registry import build
from models.weights import from_vector, layout_of, to_vector, weights_hash
from privacy.accounting.curve import ONLINE_GRID
from privacy.accounting.epsilon import epsilon
from privacy.accounting.events import Composed
from privacy.accounting.of_plan import event_of
from privacy.audit.transcript import Transcript
from privacy.contribution import RoundUpdate, read_sum
from privacy.egress import ENROL, SETUP, TRAIN, UNMASK
from privacy.plan import RoundPlan
from privacy.randomness import RandomSource, SystemSource, TestOnlySource
from privacy.secagg.identity import Identity
from privacy.secagg.round import SecAggRound
from privacy.secagg.server import SecAggServer
from server.best import BestModel
from server.checkpoint import save_checkpoint
from server.clipping_norm import ClippingNorm
from server.cohort import CohortSelector
from server.evaluation import evaluate
from server.optimizer import server_optimizer
from server.phases import Phases, Tally
from server.planning import Planner
from server.receipts import Receipts
from server.run_folder import RunFolder
from server.schedule import server_share
from server.watching import Observer, RoundLine


class Coordinator:
    """One run, from enrolment to the last checkpoint."""

    def __init__(
        self, grid: Grid, config: RunConfig, folder: RunFolder, evaluation: FaceTable, observer: Observer
    ) -> None:
        self._grid, self._config, self._folder, self._observer = grid, config, folder, observer
        self._evaluation_table = evaluation
        self._model = build(config.model.name, seed=config.seed, **config.model.options)
        evaluation.columns(self._model.inputs)  # what is missing shows here, not after the first round
        check_augmentation(config.training.augmentation, self._model)
        self._whole = layout_of(self._model)
        self._parameters = layout_of(self._model, without=config.training.local)  # what is shared
        self._weights = to_vector(self._model, self._parameters)
        self._optimizer = server_optimizer(config.training, self._parameters.length)
        self._clipping = ClippingNorm(config.privacy)
        self._planner = Planner(config, folder.name, self._parameters.length, self._model.outputs)
        self._best = BestModel(folder.checkpoints, config)
        self._cohorts = CohortSelector(config.seed)
        self.identity = Identity.generate(self._source("identity"))
        self._transcript = Transcript(folder.transcript, self.identity)
        self._phases = Phases(grid, config.rounds.deadline_seconds, self._transcript)
        self._secagg = SecAggServer.create(self.identity, self._source("secagg"))
        repeatable = config.privacy.randomness == "test-only"  # then identities repeat, and ledgers do not
        self._receipts = Receipts(folder.path, () if repeatable else folder.earlier)
        self._nodes: dict[str, int] = {}
        self._charged: dict[str, int] = {}
        self._epsilons: dict[int, float] = {}

    def run(self, data_facts: Mapping[str, Any]) -> None:
        """Train for all rounds, or until patience ends; leaves the run folder complete but for the report."""
        rounds = self._config.rounds.count
        self._transcript.append(
            "start", run=self._folder.name, data=dict(data_facts), model=self._model_facts(),
            config=sha256_file(self._folder.path / "config.toml"),
            environment=sha256_file(self._folder.path / "environment.json"),
        )  # fmt: skip
        self._observer.started(self._folder.name, rounds, self._parameters.length, self._model.outputs)
        try:
            self._enrol()
            following: SecAggRound | None = None
            for number in range(1, rounds + 1):
                following = self._round(number, following)
                if self._best.exhausted:
                    break
            self._transcript.append("finished", model=self._model_hash())
        finally:
            self._transcript.close()

    def _round(self, number: int, session: SecAggRound | None) -> SecAggRound | None:
        """Run one round, whose keys may be set up already; return the next one's session if that was set up."""
        began, self._phases.tally = time.monotonic(), Tally()
        following: SecAggRound | None = None
        plan: RoundPlan | None = None
        survivors, aborted, read = 0, None, None
        try:
            session = session or self._set_up_alone(number)
            plan = session.plan.model_copy(update={"model_hash": self._model_hash()})
            self._announce(plan, session)
            self._collect(session, self._model_hash())
            opening = session.unmask_requests()
            following = self._begin(number + 1)
            self._open(session, opening, following)
            result = session.result()
            survivors = len(result.survivors)
            read = read_sum(result.sum, survivors, plan)
            share = server_share(self._config, number)
            self._weights = self._optimizer.step(self._weights, read.step, share)
            from_vector(self._model, self._parameters, self._weights)
            self._clipping.take(read.share_within)
            self._transcript.append(
                "opened", round=number, survivors=list(result.survivors), dropped=result.dropped,
                sum=hashlib.sha256(result.sum.tobytes()).hexdigest(), model=self._model_hash(),
                share_within=read.share_within,
            )  # fmt: skip
        except RoundAbortedError as error:
            aborted = str(error)
            self._transcript.append("aborted", round=number, reason=aborted)
        self._finish(number, plan, survivors, aborted, read, began)
        return following

    # -- the phases --------------------------------------------------------------------------------------

    def _enrol(self, nodes: Iterable[int] | None = None) -> None:
        """Ask nodes (all of them at first) for their keys; those that do not answer are not in a cohort."""
        asked = list(self._grid.get_node_ids() if nodes is None else nodes)
        requests = {node: {"run": self._folder.name.encode()} for node in asked}
        for node, parts in self._ask(ENROL, 0, requests):
            try:
                name = self._secagg.enrol(bytes_part(parts, "enrolment"))
            except MienError as error:
                self._phases.tally.refusals[str(node)] = str(error)
                continue
            self._nodes[name] = node
        least = self._config.rounds.min_survivors
        if len(self._nodes) < least:
            raise RunError(
                f"{len(self._nodes)} of {len(asked)} clients enrolled, at least {least} are needed. "
                + "; ".join(f"{name}: {why}" for name, why in self._phases.tally.refusals.items())
            )

    def _begin(self, number: int) -> SecAggRound | None:
        """Choose the cohort of a round and begin its session, before its model is known; None after the last."""
        if number > self._config.rounds.count:
            return None
        cohort = self._cohorts.choose(
            number, self._secagg.ready & self._nodes.keys(), self._config.rounds.cohort
        )
        if len(cohort) < self._config.rounds.min_survivors:
            return None  # too few have keys ready: the next round enrols anew and sets up by itself
        return self._secagg.begin(self._planner.plan(number, cohort, self._clipping.value))

    def _set_up_alone(self, number: int) -> SecAggRound:
        """Set a round up in a phase of its own: the first one, and any that follows an abandoned one."""
        lost = [node for name, node in self._nodes.items() if name not in self._secagg.ready]
        if lost:
            self._enrol(lost)
        session = self._begin(number)
        if session is None:
            raise RoundAbortedError(
                f"only {len(self._secagg.ready)} clients have keys ready, at least "
                f"{self._config.rounds.min_survivors} are needed"
            )
        requests = {self._nodes[name]: {"setup": data} for name, data in session.setup_requests().items()}
        for node, parts in self._ask(SETUP, number, requests):
            self._take(node, session.receive_setup, parts, "setup")
        return session

    def _collect(self, session: SecAggRound, model_hash: str) -> None:
        """Send the model and the plan; add up the masked vectors as they come."""
        number = session.plan.round
        requests: dict[int, dict[str, Part]] = {
            self._nodes[name]: {"upload": data, "weights": self._weights}
            for name, data in session.upload_requests(model_hash).items()
        }
        keys = {self._nodes[name]: self._secagg.identity_key(name) for name in session.plan.cohort}
        for node, request in requests.items():
            known = self._receipts.of(keys[node])
            if known is not None:
                request["receipt"] = known
        for node, parts in self._ask(TRAIN, number, requests):
            self._take(node, session.receive_upload, parts, "header", "vector")
            if "receipt" in parts:
                self._take(node, functools.partial(self._receipts.take, keys[node]), parts, "receipt")
        self._receipts.save()

    def _open(
        self, session: SecAggRound, opening: Mapping[str, bytes], following: SecAggRound | None
    ) -> None:
        """Ask the survivors to open the sum, and everyone in the next cohort to set the next round up."""
        requests: dict[int, dict[str, Part]] = {}
        for name, data in opening.items():
            requests.setdefault(self._nodes[name], {})["unmask"] = data
        set_ups = following.setup_requests() if following else {}
        alone: dict[int, dict[str, Part]] = {}
        for name, data in set_ups.items():
            node = self._nodes[name]
            (requests if node in requests else alone).setdefault(node, {})["setup"] = data
        number = session.plan.round
        for node, parts in self._ask(UNMASK, number, requests):
            self._take(node, session.receive_unmask, parts, "unmask")
            if following and "setup" in parts:
                self._take(node, following.receive_setup, parts, "setup")
        if following:
            for node, parts in self._ask(SETUP, number + 1, alone):
                self._take(node, following.receive_setup, parts, "setup")

    def _ask(
        self, kind: str, number: int, requests: Mapping[int, Mapping[str, Part]]
    ) -> Iterator[tuple[int, dict[str, Part]]]:
        if not requests:
            return iter(())
        names = {node: name for name, node in self._nodes.items()}

        def watch(answered: int, asked: int) -> None:
            self._observer.phase(number, kind, answered, asked)

        return self._phases.ask(kind, number, requests, names, watch)

    def _take(
        self, node: int, receive: Callable[..., object], parts: Mapping[str, Part], *wanted: str
    ) -> None:
        """Hand the wanted parts of an answer to the protocol; what it refuses counts as no answer, and is noted."""
        try:
            missing = [name for name in wanted if name not in parts]
            if missing:
                raise ProtocolError(f"the answer lacks {', '.join(missing)}")
            receive(*(parts[name] for name in wanted))
        except RoundAbortedError:
            raise
        except MienError as error:
            names = {node: name for name, node in self._nodes.items()}
            self._phases.tally.refusals[names.get(node, str(node))] = str(error)

    # -- what is written down ------------------------------------------------------------------------------

    def _announce(self, plan: RoundPlan, session: SecAggRound) -> None:
        """Write a plan down before anyone is asked to train on it, and count what it costs whom."""
        self._transcript.append(
            "plan",
            round=plan.round,
            plan=plan.to_bytes().decode(),
            plan_hash=plan.hash.hex(),
            **session.facts(),
        )
        for name in plan.cohort:
            self._charged[name] = self._charged.get(name, 0) + 1

    def _finish(
        self,
        number: int,
        plan: RoundPlan | None,
        survivors: int,
        aborted: str | None,
        read: RoundUpdate | None,
        began: float,
    ) -> None:
        due = number % self._config.rounds.evaluate_every == 0 or number == self._config.rounds.count
        evaluation = evaluate(self._model, self._evaluation_table) if due else None
        tally = self._phases.tally
        line = RoundLine(
            round=number,
            cohort=len(plan.cohort) if plan else 0,
            survivors=survivors,
            seconds=round(time.monotonic() - began, 3),
            bytes_up=tally.up,
            bytes_down=tally.down,
            epsilon=self._spent(plan),
            loss=evaluation.loss if evaluation else None,
            auc=evaluation.auc if evaluation else {},
            aborted=aborted,
            train_loss=read.train_loss if read else None,
            noise_to_signal=read.noise_to_signal if read else None,
            clipping_norm=plan.update.adaptive.norm if plan and plan.update.adaptive else None,
            share_within=read.share_within if read else None,
            refusals=dict(tally.refusals),
        )
        save_checkpoint(
            self._folder.checkpoints, number, self._config, self._model,
            {**self._optimizer.state, **self._clipping.state}, line,
        )  # fmt: skip
        self._best.take(line, self._model)
        metrics = self._folder.append_metrics(asdict(line))
        self._transcript.append("metrics", round=number, sha256=metrics)
        self._observer.finished_round(line)

    def _spent(self, plan: RoundPlan | None) -> float | None:
        """Return ε of the client that was asked most often; every round costs the same, as its plan says."""
        times = max(self._charged.values(), default=0)
        if self._config.privacy.mode == "none" or plan is None or not times:
            return None
        if times not in self._epsilons:
            events = [Composed((event_of(plan),), times)]
            self._epsilons[times] = epsilon(events, self._config.privacy.delta, grid=ONLINE_GRID).epsilon
        return self._epsilons[times]

    def _model_hash(self) -> str:
        """Return the hash of the whole model; what is local to the devices is in it with its first values."""
        if self._parameters == self._whole:
            return weights_hash(self._whole, self._weights)
        return weights_hash(self._whole, to_vector(self._model, self._whole))

    def _model_facts(self) -> dict[str, Any]:
        return {
            "name": self._config.model.name,
            "parameters": self._parameters.length,
            "attributes": list(self._model.outputs),
            "first": self._model_hash(),
        }

    def _source(self, label: str) -> RandomSource:
        if self._config.privacy.randomness == "test-only":
            return TestOnlySource(self._config.seed, "coordinator", label)
        return SystemSource()
