"""The self-test of this build, beside the attacks, so that a run's audit has it without being asked."""

from __future__ import annotations

from privacy.audit.attacks.registry import attack
from privacy.audit.attacks.target import Progress, Target
from privacy.audit.conformance.selftest import selftest
from privacy.audit.evidence import AttackResult


@attack("conformance", summary="does this build do what its accounting is told?", seconds=5)
def conformance(target: Target, progress: Progress) -> AttackResult:
    """Run every conformance check."""
    result = selftest(target.build)
    progress(1.0)
    return result
