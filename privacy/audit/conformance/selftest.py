"""The self-test of a build: every check in turn, and its result for a run's report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from mien.errors import MienError
from privacy.audit.conformance.budget import check_budget
from privacy.audit.conformance.build import Build
from privacy.audit.conformance.check import Check, error_bound, exact
from privacy.audit.conformance.leaving import check_leaving
from privacy.audit.conformance.masks import check_masks
from privacy.audit.conformance.optimizer import check_optimizer
from privacy.audit.conformance.shares import check_shares
from privacy.audit.conformance.source import check_source
from privacy.audit.evidence import AttackResult

Group: TypeAlias = Callable[[Build], Iterator[Check]]
GROUPS: tuple[Group, ...] = (
    check_source,
    check_optimizer,
    check_shares,
    check_masks,
    check_leaving,
    check_budget,
)


def run_checks(build: Build | None = None, groups: Sequence[Group] = GROUPS) -> Iterator[Check]:
    """Yield the verdicts of the checks on ``build`` (default: this build) as they come; takes under a minute."""
    for group in groups:
        try:
            yield from group(build or Build())
        except MienError as error:  # a part that refuses to work is a finding, not the end of the audit
            name = group.__name__.removeprefix("check_")
            yield exact(f"{name}: works", False, str(error), "no refusal", "parts that do not fit together")


def as_result(checks: Sequence[Check], seconds: float) -> AttackResult:
    """Return the checks in the form that reports read."""
    failed = [check.name for check in checks if not check.passed]
    statistical = sum(check.error > 0 for check in checks)
    return AttackResult(
        attack="conformance",
        title={"en": "Conformance of this build", "zh": "本构建的一致性检验"},
        threat_model="An auditor with this build and nothing else; trusts no log.",
        question="Do the optimizer, the noise, the masks and the books of this build do what was promised?",
        kind="measurement",
        method="sensitivity by hostile records; chi-square, correlation and exact binomial tests; two accountants",
        result={check.name: ("passed: " if check.passed else "FAILED: ") + check.found for check in checks},
        confidence=1 - error_bound(checks),
        tests=max(1, statistical),
        power="A correct build fails with a probability below 1e-6. " + _power(checks),
        passed=not failed,
        seconds=seconds,
        headline=f"{len(checks) - len(failed)} of {len(checks)} checks passed"
        + (f"; failed: {', '.join(failed)}" if failed else ""),
        notes=tuple(f"{check.name}: expected {check.expected}; finds {check.catches}" for check in checks),
    )


def selftest(build: Build | None = None) -> AttackResult:
    """Run all checks and return their result."""
    began = time.monotonic()
    return as_result(list(run_checks(build)), time.monotonic() - began)


def _power(checks: Sequence[Check]) -> str:
    return "; ".join(f"{check.name}: {check.catches}" for check in checks if "noise level" in check.name)
