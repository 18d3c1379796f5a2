"""The run config: every setting of a run, its default, its range, and what it means.

A config is one TOML file. Unknown keys are refused, values are checked, and the resolved config, defaults and
all, is written into the run folder, so that a run can be repeated from it alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Augmentation = Literal["flip", "rotation", "crop", "brightness", "mask", "glasses"]
Schedule = Literal["constant", "cosine", "step"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


class Data(_Section):
    """Which faces, and how they are prepared."""

    source: str = "embedded"
    """``embedded`` (synthetic faces), ``celeba=PATH`` (official layout), ``folder=PATH`` (a folder a person), or
    ``simulated-feedback`` (opinions of simulated people, for the model ``rule_prior``)."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the *persons* kept for evaluation; none of them is seen in training."""
    face_size: Annotated[int, Field(ge=16, le=256)] = 64
    skin_size: Annotated[int, Field(ge=16, le=256)] = 32
    nose_size: Annotated[int, Field(ge=16, le=256)] = 32
    face_margin: Annotated[float, Field(ge=-0.25, le=2)] = 0.0
    """How much more than the aligned face is cut out on each side, in sides of the face; 0.25 shows the hair."""
    embedding: bool = False
    """Also compute dlib's face embedding of each photo, for models that read it (``private_head``)."""


class Clients(_Section):
    """How the training persons are spread over simulated clients."""

    count: Count = 10
    partition: Literal["person", "dirichlet", "iid"] = "person"
    alpha: Positive | Literal["inf"] = 1.0
    """Concentration of the Dirichlet partition: small is uneven, ``"inf"`` gives equal shares."""
    attribute: str = "Chubby"
    """The label that the Dirichlet partition makes uneven."""
    holdout: Share = 0.0
    """Share of each person's photos that a client keeps out of training, to measure personalisation on."""


class Model(_Section):
    """What is trained."""

    name: str = "attributes"
    options: dict[str, Any] = {}
    attributes: tuple[str, ...] = ("Chubby", "Pale_Skin", "Rosy_Cheeks", "Pointy_Nose")


class Rounds(_Section):
    """How many rounds, of how many clients."""

    count: Count = 20
    cohort: Count = 10
    """Clients asked in a round, drawn anew for each."""
    min_survivors: Annotated[int, Field(ge=2)] = 7
    """Uploads below which a round is abandoned; distributed noise is sized for it."""
    evaluate_every: Count = 1
    deadline_seconds: Positive = 600.0
    """How long a message phase waits for its clients."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Evaluations in a row without a new lowest loss after which the run ends; 0 never ends it early. The loss is
    that of the server's own evaluation persons. Ending early never raises ε: the noise and every device's budget
    are those of ``count`` rounds, and rounds that do not happen are not charged."""


class Training(_Section):
    """What a client does with a plan."""

    local_steps: Count = 1
    sampling_rate: Fraction = 0.5
    """Rate at which a person joins a step (Poisson; public)."""
    photos_per_person: Annotated[int, Field(ge=1, le=64)] = 4
    """Photos of a person that one step looks at; they are one record, clipped once."""
    persons_per_client: Positive = 8.0
    """A public guess, never counted: the step's divisor is made of it, so that it tells nothing of anyone."""
    learning_rate: Positive = 0.1
    momentum: Share = 0.0
    schedule: Schedule = "constant"
    """How ``learning_rate`` falls over the rounds; each round's plan carries the number (server/schedule.py)."""
    warmup_rounds: Annotated[int, Field(ge=0)] = 0
    """Rounds over which ``learning_rate`` first rises to its full value."""
    augmentation: tuple[Augmentation, ...] = ()
    """Changes of the pictures, in order (models/augmentation.py)."""
    label_smoothing: Share = 0.0
    class_weights: Literal["none"] | dict[str, Positive] = "none"
    """Weight of the yes-labels of each attribute, for example from a published prevalence; never computed from
    clients' data, which would be a release of its own. Attributes that are not in the table weigh 1."""
    proximal: Annotated[float, Field(ge=0)] = 0.0
    """FedProx (Li et al. 2020): µ of the pull of the local steps towards the global weights."""
    local: tuple[str, ...] = ()
    """Parameters that never leave a device, by name or pattern (``output.*``): a head for each client."""
    server_optimizer: Literal["sgd", "momentum", "adam", "yogi", "adagrad"] = "momentum"
    """FedAvg, FedAvgM, FedAdam, FedYogi, FedAdagrad (server/optimizer.py)."""
    server_learning_rate: Positive = 1.0
    server_schedule: Schedule = "constant"
    server_warmup_rounds: Annotated[int, Field(ge=0)] = 0
    server_momentum: Share = 0.9
    """β1 of ``adam`` and ``yogi``."""
    server_beta2: Share = 0.99
    server_tau: Positive = 1e-3
    """Adaptivity τ: added to the root of the second moment. Reddi et al. 2021 recommend 1e-3."""
    step_rounds: Count = 10
    """Schedule ``step``: rounds between two falls."""
    step_factor: Fraction = 0.5
    """Schedule ``step``: what the rate is multiplied by at each fall."""
    final_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Schedule ``cosine``: the share of the rate that it falls to."""


class Adaptive(_Section):
    """Adaptive clipping: the clipping norm follows a quantile of the norms that it clips, privately.

    ``privacy.clipping_norm`` is then where it starts. The run's ε stays what it was: the votes that move the norm
    take their share of each round's noise.
    """

    enabled: bool = False
    quantile: Annotated[float, Field(ge=0.01, le=0.99)] = 0.5
    """Share of the persons (mode ``device``: of the clients) that should be within the clipping norm."""
    learning_rate: Fraction = 0.2
    """The logarithm of the norm moves by at most this much in a round."""
    count_share: Annotated[float, Field(gt=0, le=0.5)] = 0.02
    """Share of a round's privacy that pays for the votes; the update gets √(1 / (1 − share)) times the noise."""
    lowest: Positive = 1e-6
    highest: Positive = 1e6
    """The norm stays between these."""


class Privacy(_Section):
    """What is promised, at the level of a person.

    ``mode``:

    * ``distributed``: each client clips each sampled person's gradient and adds a share of discrete noise; only
      the securely summed step, noise and all, is ever opened. One step a round.
    * ``silo``: each client runs DP-SGD with its own full noise. Holds without trust in any other client.
    * ``device``: a client is one person; its whole update is clipped and carries a share of discrete noise.
    * ``none``: secure aggregation only, no differential privacy. The report says so in red.
    """

    mode: Literal["distributed", "silo", "device", "none"] = "distributed"
    epsilon: Positive = 8.0
    """The whole run's ε per person; the noise is calibrated to it. Also each device's budget."""
    delta: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    clipping_norm: Positive = 1.0
    update_clipping_norm: Positive = 32.0
    """L2 bound of a client's whole upload, in units of the update; sizes the field. It moves with an adaptive
    clipping norm, so that a client's upload has room for the same number of persons."""
    adaptive: Adaptive = Adaptive()
    min_noise_multiplier: Annotated[float, Field(ge=0)] = 0.0
    """Least noise of a round, over what one person adds to it, that a device accepts and the coordinator plans."""
    noise: Literal["skellam", "discrete_gaussian"] = "skellam"
    collusion: Annotated[float, Field(ge=0, lt=1 / 3)] = 0.1
    """Share of the survivors that may collude with the server: their noise is not counted."""
    randomness: Literal["system", "test-only"] = "system"
    """``test-only`` makes a run repeatable to the bit, and protects nothing."""


class SecureSum(_Section):
    """Parameters of secure aggregation."""

    neighbours: Annotated[int, Field(ge=0)] = 0
    """Degree of the neighbour graph; 0 chooses: the full graph for small cohorts, else by the security bound."""
    scale_bits: Annotated[int, Field(ge=4, le=30)] = 16
    """Binary digits after the point in the encoding of an update."""


class RunConfig(_Section):
    """A whole run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")] = "run"
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 1
    """Fixes the split, the partition, the cohorts and the first weights. Never a secret or a noise."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads of one tensor operation. Networks as small as these lose by more than one."""
    data: Data = Data()
    clients: Clients = Clients()
    model: Model = Model()
    rounds: Rounds = Rounds()
    training: Training = Training()
    privacy: Privacy = Privacy()
    secagg: SecureSum = SecureSum()

    @model_validator(mode="after")
    def _consistent(self) -> RunConfig:
        if self.rounds.cohort > self.clients.count:
            raise ValueError(f"rounds.cohort {self.rounds.cohort} > clients.count {self.clients.count}")
        if self.rounds.min_survivors > self.rounds.cohort:
            raise ValueError(
                f"rounds.min_survivors {self.rounds.min_survivors} > rounds.cohort {self.rounds.cohort}"
            )
        if self.privacy.mode != "none" and self.clients.partition == "iid":
            raise ValueError(
                "clients.partition is 'iid', which spreads one person over several clients, so no client can "
                "protect her as a whole: use 'person' or 'dirichlet', or privacy.mode = 'none'"
            )
        if self.privacy.mode == "distributed" and self.training.local_steps != 1:
            raise ValueError(
                f"training.local_steps is {self.training.local_steps}, but privacy.mode 'distributed' adds its "
                "noise once a round: set local_steps = 1, or privacy.mode = 'silo'"
            )
        self._check_training()
        self._check_adaptive()
        return self

    def _check_training(self) -> None:
        training, rounds = self.training, self.rounds.count
        for name in ("warmup_rounds", "server_warmup_rounds"):
            if getattr(training, name) >= rounds:
                raise ValueError(
                    f"training.{name} {getattr(training, name)} must be below rounds.count {rounds}, else the "
                    "full rate is never reached: lower it, or train for more rounds"
                )
        if len(set(training.augmentation)) != len(training.augmentation):
            raise ValueError(f"training.augmentation names a piece twice: {', '.join(training.augmentation)}")
        if training.proximal * training.learning_rate >= 1:
            raise ValueError(
                f"training.proximal {training.proximal:g} times training.learning_rate {training.learning_rate:g} "
                "is 1 or more: a step would jump past the global weights; lower one of them"
            )
        if training.local and self.rounds.patience:
            raise ValueError(
                f"rounds.patience is {self.rounds.patience} with training.local: the coordinator's model keeps its "
                "first, untrained local parameters, so its loss says nothing about the clients' models: set "
                "patience = 0"
            )
        if self.privacy.mode == "distributed":
            self._check_training_in_one_step()

    def _check_training_in_one_step(self) -> None:
        training = self.training
        if training.proximal:
            raise ValueError(
                f"training.proximal is {training.proximal:g}, but in privacy.mode 'distributed' a client takes no "
                "step of its own, so there is nothing to pull back: set proximal = 0, or use mode 'silo', 'device' "
                "or 'none'"
            )
        if training.local:
            raise ValueError(
                f"training.local is {list(training.local)}, but in privacy.mode 'distributed' a client adds no "
                "noise that could cover a head of its own: what one person taught the head would move every other "
                "person's gradient, past the clipping norm. Set local = [], or use mode 'silo', 'device' or 'none'"
            )
        if training.schedule != "constant" and training.server_schedule != "constant":
            raise ValueError(
                "training.schedule and training.server_schedule: in privacy.mode 'distributed' a round is one "
                "step, and both rates multiply it, so it would fall twice: leave one of them 'constant'"
            )

    def _check_adaptive(self) -> None:
        adaptive, mode = self.privacy.adaptive, self.privacy.mode
        if not adaptive.enabled:
            return
        if mode == "silo":
            raise ValueError(
                "privacy.adaptive.enabled with privacy.mode 'silo': a silo trusts no noise but its own, so it "
                "would have to noise the count of its own few persons in each local step, which tells next to "
                "nothing; use mode 'distributed' or 'device', or a fixed clipping_norm"
            )
        if mode == "none":
            raise ValueError(
                "privacy.adaptive.enabled with privacy.mode 'none': nothing is clipped there, so there is no "
                "norm to adapt; use mode 'distributed' or 'device', or disable it"
            )
        if not adaptive.lowest < adaptive.highest:
            raise ValueError(
                f"privacy.adaptive: lowest {adaptive.lowest:g} must be below highest {adaptive.highest:g}"
            )
