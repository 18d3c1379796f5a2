"""What the person likes, between the page and the encrypted store of ``recommend.feedback``.

Guarantee O1: no file is made before the first opinion. Reading a photo, advising and asking how much is kept
leave no trace on the disk; what is kept after that, and how it is guarded, is said by F1 to F4 there.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Literal

from mien.errors import VaultError
from privacy.vault import Vault
from recommend.feedback.store import Feedback, default_folder
from recommend.feedback.taste import Taste
from recommend.knowledge.load import current
from recommend.preferences import Preferences

Applied = Literal["none", "applied", "unavailable"]


class Opinions:
    """The feedback of this device's person, opened when it is needed; one thread at a time uses it."""

    def __init__(self, folder: Path | None = None, passphrase: str | None = None) -> None:
        self._folder, self._passphrase = folder or default_folder(), passphrase
        self._feedback: Feedback | None = None
        self._lock = threading.Lock()

    def taste(self) -> tuple[Taste | None, Applied]:
        """Return the learner to advise with, and what became of it; advice is given without it too."""
        with self._lock:
            try:
                kept = self._existing()
                if kept is None:
                    return None, "none"
                taste = kept.taste()
            except VaultError:
                self._feedback = None
                return None, "unavailable"
            return taste, "none" if taste.empty else "applied"

    def record(self, rule: str, *, liked: bool, wishes: Preferences) -> int:
        """Keep an opinion on a card; return how many count. Raises ConfigError and VaultError as the store does."""
        with self._lock:
            kept = self._existing() or self._open()
            kept.record(rule, liked, wishes)
            return len(kept.opinions())

    def undo(self) -> int:
        """Take the newest opinion back; return how many count."""
        with self._lock:
            kept = self._existing()
            if kept is None:
                return 0
            kept.undo()
            return len(kept.opinions())

    def status(self) -> dict[str, Any]:
        """Return how much is kept, whether it is shared, and who guards the key."""
        with self._lock:
            kept = self._existing()
            if kept is None:
                return {
                    "count": 0,
                    "liked": 0,
                    "not_for_me": 0,
                    "sharing": False,
                    "guard": None,
                    "prior": "none",
                }
            found = kept.status()
            return {
                "count": found.liked + found.not_for_me,
                "liked": found.liked,
                "not_for_me": found.not_for_me,
                "sharing": found.sharing,
                "guard": found.guard,
                "prior": found.prior,
            }

    def export(self) -> dict[str, Any]:
        """Return everything that is kept, for the person."""
        with self._lock:
            kept = self._existing()
            return {"opinions": [], "sharing": False} if kept is None else kept.export()

    def reset(self) -> None:
        """Forget every opinion and switch sharing off."""
        with self._lock:
            kept = self._existing()
            if kept is not None:
                kept.reset()

    def share(self, *, on: bool) -> None:
        """Let the opinions take part in federated rounds, or not. Without opinions "off" makes no file."""
        with self._lock:
            kept = self._existing() or (self._open() if on else None)
            if kept is not None:
                kept.sharing(on)

    def _existing(self) -> Feedback | None:
        """Return the store where there is one; another process may have made or removed it meanwhile."""
        if Vault.guard_of(self._folder) is None:
            self._feedback = None
            return None
        return self._feedback or self._open()

    def _open(self) -> Feedback:
        self._feedback = Feedback.open(self._folder, passphrase=self._passphrase, knowledge=current())
        return self._feedback
