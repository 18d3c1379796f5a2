"""What a device's owner liked, as rows to train on: only where the owner shares them.

The switch is in the owner's own vault (``mien feedback share on``) and is read anew for every round, so switching
off stops the next one. What goes wrong here is told to the coordinator without a path or a reason of the vault.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from faces.feedback import STATE_ENTRY, STATE_SCHEMA, feedback_table
from faces.sample import FaceTable
from mien.errors import PolicyError, VaultError
from privacy.vault import Vault

SOURCE = "feedback="
"""How a device's own data begin, in its node config, when they are its owner's feedback: ``feedback=FOLDER``."""

_LOG = logging.getLogger("mien.client")
_OWNER = "owner"


def shared_feedback(folder: Path) -> FaceTable:
    """Return the owner's opinions as a table of one person.

    Raises PolicyError where the owner does not share them, and where they cannot be opened without the owner (a
    vault guarded by a passphrase) or are damaged.
    """
    state: dict[str, Any] = {}
    try:
        if Vault.guard_of(folder) is not None:
            vault = Vault.open(folder)
            state = json.loads(vault.read(STATE_ENTRY)) if STATE_ENTRY in vault.names() else {}
    except VaultError as error:
        _LOG.warning("feedback cannot be opened: %s", error)
        raise PolicyError("this device's feedback cannot be opened without its owner") from None
    if state.get("sharing") is not True:
        raise PolicyError("this device's owner has not switched sharing on, so its feedback takes no part")
    if state.get("schema") != STATE_SCHEMA:
        raise PolicyError("this device's feedback was written by another version of Mien")
    return feedback_table({_OWNER: [(each["features"], each["liked"]) for each in state["opinions"]]})
