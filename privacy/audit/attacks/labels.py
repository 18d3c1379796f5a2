"""Label inference without a photo: which labels did a client's batch have?

The attacker knows the model that was sent and nothing of the person. The gradient of a cross-entropy for the bias
of an output is σ(logit) − label, so its *sign* is the label of a single record (Zhao et al. 2020, iDLG), and over a
batch it sums to the expected less the actual number of positives (Wainakh et al. 2022, LLG). Clipping keeps signs.
Where noise hides the one bias, the attacker compares all parameters with the mean gradients of public persons who
have the label and who have not.

Views: a plain gradient, a clipped one, what is left of an opened sum once all others are taken off, at the run's ε
spent in one release, and a masked upload. Changing a label moves the sum by 2 C at most, so no guess at a label is
right more often, averaged over both values, than Φ(μ) says; of a masked upload none beats a coin.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special

from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.network import Network
from models.registry import build as build_model
from privacy.audit.attacks import bounds
from privacy.audit.attacks.attributes import balanced_accuracy
from privacy.audit.attacks.canaries import one_photo_each
from privacy.audit.attacks.linkage import NORM, trial_sums
from privacy.audit.attacks.registry import NotApplicable, attack
from privacy.audit.attacks.target import Progress, Target, ignore
from privacy.audit.attacks.views import clipped_sum, masked_upload
from privacy.audit.conformance.build import Build
from privacy.audit.evidence import AttackResult

PERSONS, BATCH, BATCHES = 60, 8, 60
_UNCLIPPED = 1e12
_SURE = 1e-6
"""Chance at most that masks which hide everything are accused."""


@dataclasses.dataclass(frozen=True)
class Sent:
    """One record of each of several persons, and its gradients."""

    plain: NDArray[np.float64]
    """Gradients for the outputs' biases, [persons, labels]."""
    clipped: NDArray[np.float32]
    """Whole gradients clipped to ``NORM``, [persons, parameters]."""
    labels: NDArray[np.int8]
    """[persons, labels]; −1 is unknown."""
    biases: NDArray[np.int64]
    """Where the bias of each output is among the parameters, [labels]."""


def sent_by(target: Target, rows: NDArray[np.int64], progress: Progress = ignore) -> Sent:
    """Return what persons with these rows would send at the run's first model."""
    options = target.config.model
    network = build_model(options.name, seed=target.config.seed, **options.options)
    table = target.federation.table
    inputs = to_inputs({name: column[rows] for name, column in table.columns(network.inputs).items()})
    labels = np.stack([table.label(name)[rows] for name in network.outputs], axis=1)
    wanted, biases = torch.from_numpy(labels), output_biases(network, inputs)
    plain, clipped = [], []
    for row in range(len(rows)):
        one = slice(row, row + 1)
        mine = {name: values[one] for name, values in inputs.items()}
        gradient = clipped_sum(
            network,
            lambda: masked_binary_cross_entropy(network(mine), wanted[one]),  # noqa: B023  # used at once
            _UNCLIPPED,
        )
        plain.append(gradient[biases])
        clipped.append(gradient * min(1.0, NORM / max(float(np.linalg.norm(gradient)), 1e-12)))
        progress((row + 1) / len(rows))
    return Sent(np.stack(plain), np.stack(clipped).astype(np.float32), labels, biases)


def output_biases(network: Network, inputs: Mapping[str, torch.Tensor]) -> NDArray[np.int64]:
    """Return where each output's own bias is among all parameters: the last that moves its logit one to one.

    Raises NotApplicable for an output without one.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    first = {name: values[:2] for name, values in inputs.items()}
    logits, found = network(first), []
    for output in range(logits.shape[1]):
        moved = torch.autograd.grad(logits[:, output].sum(), parameters, retain_graph=True, allow_unused=True)
        flat = torch.cat([
            (torch.zeros_like(p) if m is None or p.dim() != 1 else m).flatten()
            for p, m in zip(parameters, moved, strict=True)
        ])  # fmt: skip
        places = torch.nonzero(torch.isclose(flat, torch.tensor(float(len(logits))), rtol=0.0, atol=1e-6))
        if not len(places):
            raise NotApplicable(f"output {network.outputs[output]!r} of the model has no bias of its own")
        found.append(int(places[-1]))
    return np.array(found, np.int64)


def by_sign(biases: NDArray[np.floating]) -> NDArray[np.int8]:
    """Return the labels that the signs of the biases' gradients say, of the same shape."""
    return (biases < 0).astype(np.int8)


def by_templates(seen: NDArray[np.floating], public: Sent) -> NDArray[np.int8]:
    """Return labels from whole gradients, [persons, parameters]: to which class of public persons is it nearer?"""
    gradients, guesses = public.clipped.astype(np.float64), []
    for label, bias in enumerate(public.biases):
        value = public.labels[:, label]
        if (value == 1).any() and (value == 0).any():
            have, lack = gradients[value == 1].mean(axis=0), gradients[value == 0].mean(axis=0)
            guesses.append((seen - (have + lack) / 2) @ (have - lack) > 0)
        else:  # nobody to learn from: the sign is all there is
            guesses.append(seen[:, bias] < 0)
    return np.stack(guesses, axis=1).astype(np.int8)


def counts(sums: NDArray[np.floating], public: Sent, *, clipped: bool) -> NDArray[np.float64]:
    """Return how many of ``BATCH`` records have each label, from the biases' part of sums, [batches, labels].

    How likely the model holds each label, and how much clipping shortens, the attacker learns from public persons.
    """
    known = public.labels >= 0
    expected = np.where(known, public.plain + public.labels, 0.0).sum(axis=0) / np.maximum(
        1, known.sum(axis=0)
    )
    short = public.clipped[:, public.biases] / np.where(public.plain == 0.0, 1.0, public.plain)
    factor = float(short[public.plain != 0.0].mean()) if clipped else 1.0
    return np.asarray(np.clip(BATCH * expected - sums / factor, 0.0, BATCH))


@attack("labels", summary="does an update reveal its labels to someone without a photo?", seconds=15)
def labels(target: Target, progress: Progress) -> AttackResult:
    """Infer the labels of the run's persons from each view of what they send."""
    federation = target.federation
    sent = sent_by(target, one_photo_each(target)[:PERSONS], lambda done: progress(0.4 * done))
    public = sent_by(target, federation.test[:PERSONS], lambda done: progress(0.4 + 0.3 * done))
    mu = None
    if target.private:
        mu = bounds.mu_of_epsilon(target.config.privacy.epsilon, target.config.privacy.delta)
    guessed = guesses(target.build, sent, public, mu)
    progress(0.9)
    errors = count_errors(target.build, sent, public, mu)
    accuracy = {name: balanced_accuracy(guess, sent.labels) for name, guess in guessed.items()}
    return judge(target, accuracy, errors, masks_refuted(guessed["masked"], sent.labels), mu)


def guesses(build: Build, sent: Sent, public: Sent, mu: float | None) -> dict[str, NDArray[np.int8]]:
    """Return the guessed labels of every person in each view, and with each way to read the noised one."""
    clipped = sent.clipped[:, sent.biases]
    found = {
        "plain": by_sign(sent.plain),
        "clipped": by_sign(clipped),
        "masked": by_sign(_masked(build, sent)),
    }
    if mu is not None:
        seen = trial_sums(build, sent.clipped, np.eye(len(clipped), dtype=np.bool_), mu, ignore)
        found["noised"] = by_templates(seen, public)
        found["noised_bias"] = by_sign(seen[:, sent.biases])
    return found


def _masked(build: Build, sent: Sent) -> NDArray[np.float64]:
    """Return the biases' part of masked uploads: masks act on each element by itself, so one upload has all."""
    clipped = sent.clipped[:, sent.biases].astype(np.float64)
    return masked_upload(build, clipped.ravel(), NORM).reshape(clipped.shape)


def masks_refuted(guessed: NDArray[np.int8], truth: NDArray[np.int8]) -> bool:
    """Return whether guesses from masked uploads beat a coin: an exact test that errs with ``_SURE``."""
    right = (guessed == truth)[truth >= 0]
    return bounds.proportion_lower(int(right.sum()), right.size, _SURE) > 0.5


def count_errors(build: Build, sent: Sent, public: Sent, mu: float | None) -> dict[str, float]:
    """Return by how many records of ``BATCH`` the counts of random batches are wrong, on average, in each view."""
    generator = np.random.Generator(np.random.PCG64(4))  # the auditor's own experiment; not a secret
    persons = len(sent.labels)
    size = min(BATCH, persons)
    drawn = np.stack([generator.permutation(persons)[:size] for _ in range(BATCHES)])
    batches = np.zeros((BATCHES, persons), np.bool_)
    np.put_along_axis(batches, drawn, values=True, axis=1)
    truth = batches @ np.maximum(sent.labels, 0).astype(np.float64)
    clipped = sent.clipped[:, sent.biases]
    found = {
        "plain": counts(batches @ sent.plain, public, clipped=False),
        "clipped": counts(batches @ clipped, public, clipped=True),
        "guess": np.broadcast_to(BATCH * np.maximum(public.labels, 0).mean(axis=0), truth.shape),
    }
    if mu is not None:
        seen = trial_sums(build, clipped, batches, mu, ignore)
        found["noised"] = counts(seen, public, clipped=True)
    return {name: float(np.abs(guess - truth).mean()) for name, guess in found.items()}


def judge(
    target: Target,
    accuracy: Mapping[str, tuple[float, float, float]],
    errors: Mapping[str, float],
    masks_failed: bool,
    mu: float | None,
) -> AttackResult:
    """Return the result: refuted where noise or masks hide less than they must."""
    best = max((accuracy[name] for name in ("noised", "noised_bias") if name in accuracy), default=None)
    most = None if mu is None else float(special.ndtr(mu))
    held = not masks_failed and (best is None or most is None or best[1] <= most)
    plain, masked = accuracy["plain"][0], accuracy["masked"][0]
    noised = "" if best is None else f", {best[0]:.0%} from a sum with noise"
    return AttackResult(
        attack="labels",
        title={"en": "Labels from an update, without a photo", "zh": "无照片的标签推断"},
        threat_model="Sees what one client sends, or an opened sum and what all others sent; has no photo.",
        question="Does what a client sends reveal the labels of its records?",
        claim=target.claim,
        kind="estimate",
        method="signs and sums of the output biases' gradients (Zhao et al. 2020; Wainakh et al. 2022); mean "
        "gradients of public persons",
        result={
            **{f"balanced_accuracy_{name}": value[0] for name, value in accuracy.items()},
            "balanced_accuracy_noised_interval": None if best is None else best[1:],
            "balanced_accuracy_noised_at_most": most,
            **{f"count_error_{name}": value for name, value in errors.items()},
            "batch": BATCH,
            "records": BATCHES,
        },
        confidence=0.95,
        tests=1 if best is None else 2,
        power=f"from a plain gradient the same attack reads {plain:.0%}",
        passed=held,
        headline=f"{plain:.0%} of labels read from a plain gradient{noised}, {masked:.0%} from a masked upload "
        "(a coin: 50 %)",
        notes=(
            "Clipping protects no label: it keeps the signs.",
            "A count error is in records of a batch; “guess” is the share of public persons, without any update.",
            "The run's whole ε is spent in one release here: what all rounds together may tell.",
        ),
    )
