"""Every error that Mien raises on purpose, and the exit code the command gives for it.

MienError                    1   anything below; never raised itself
├── ConfigError              2   a run config has an unknown key, a wrong value, or bad TOML
├── DataError               10   a dataset as a whole cannot be used
│   ├── DataNotFoundError   11   the dataset path does not exist
│   ├── LabelMismatchError  12   the label files do not match the images
│   └── EmptyClientError    13   a client was given no data
├── ImageError              20   one picture cannot be used
│   ├── UnreadableImageError 21  not a picture, corrupt, or cut short
│   ├── ImageTooLargeError  22   more pixels or bytes than the limit
│   ├── NoFaceError         23   no face was found
│   └── SeveralFacesError   24   more than one face was found where one is needed
├── MissingModelError       30   a model file (landmarks) is not installed
├── PrivacyError            40   a privacy rule would be broken; the work was not done
│   ├── BudgetExceededError 41   the device's budget does not allow the charge
│   ├── LedgerError         42   the ledger is damaged, rolled back or in use
│   ├── PolicyError         43   a plan asks for less protection than the device accepts
│   ├── ProtocolError       44   a secure-aggregation message is malformed, forged or replayed
│   ├── RoundAbortedError   45   too few clients survived; nothing was opened
│   └── VaultError          46   the vault is damaged, or its key is wrong or missing
├── ModelError              50   unknown model, or weights of the wrong shape
├── RunError                60   a run folder cannot be written, read or resumed
├── AuditError              70   an audit found a fault of none, or of several, of the kinds below
│   ├── AlteredError        71   a record's bytes are not those that were written (hash, chain, form)
│   ├── SignatureError      72   a signature does not verify, or another key signed
│   ├── SpendingError       73   the privacy spent is not what was stated, charged or promised
│   ├── RoundError          74   a round's plan, session, survivors or threshold contradict the record
│   ├── EgressError         75   something left a device that may not leave
│   ├── FigureError         76   a figure of the report or the metrics is not what the record gives
│   ├── MissingRecordError  77   a record that the audit needs is not there
│   └── RefutedError        78   an attack did better than the promise allows, or a self-test failed
└── ServeError              80   the local page cannot be served; 81 to 89: recommend.serve.problems

A message says what was wrong, where, what was expected, what was found, and what to do.
The codes are part of the interface: they are documented in docs/errors.md and never reused.
"""

from __future__ import annotations

from typing import ClassVar


class MienError(Exception):
    """Anything that Mien raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigError(MienError):
    """A run config has an unknown key, a wrong value, or is not TOML."""

    exit_code = 2


class DataError(MienError):
    """A dataset as a whole cannot be used."""

    exit_code = 10


class DataNotFoundError(DataError):
    """The path of a dataset does not exist."""

    exit_code = 11


class LabelMismatchError(DataError):
    """The label files of a dataset do not match its images."""

    exit_code = 12


class EmptyClientError(DataError):
    """A client was given no data to train on."""

    exit_code = 13


class ImageError(MienError):
    """One picture cannot be used."""

    exit_code = 20


class UnreadableImageError(ImageError):
    """The file is not a picture, is corrupt, or is cut short."""

    exit_code = 21


class ImageTooLargeError(ImageError):
    """The picture has more pixels or bytes than the limit."""

    exit_code = 22


class NoFaceError(ImageError):
    """No face was found in the picture."""

    exit_code = 23


class SeveralFacesError(ImageError):
    """More than one face was found where exactly one is needed."""

    exit_code = 24


class MissingModelError(MienError):
    """A model file is not installed on this machine."""

    exit_code = 30


class PrivacyError(MienError):
    """A privacy rule would be broken, so the work was not done."""

    exit_code = 40


class BudgetExceededError(PrivacyError):
    """The device's privacy budget does not allow the charge."""

    exit_code = 41


class LedgerError(PrivacyError):
    """A ledger is damaged, was rolled back, or is in use by another process."""

    exit_code = 42


class PolicyError(PrivacyError):
    """A plan asks for less protection than the device accepts."""

    exit_code = 43


class ProtocolError(PrivacyError):
    """A secure-aggregation message is malformed, forged, replayed or out of order."""

    exit_code = 44


class RoundAbortedError(PrivacyError):
    """Too few clients survived a round, so nothing was opened."""

    exit_code = 45


class VaultError(PrivacyError):
    """A vault's file is damaged, or its key is wrong or cannot be had."""

    exit_code = 46


class ModelError(MienError):
    """A model name is unknown, or weights do not have the model's shapes."""

    exit_code = 50


class RunError(MienError):
    """A run folder cannot be written, read or resumed."""

    exit_code = 60


class AuditError(MienError):
    """An audit found a fault, of none or of several of the kinds below."""

    exit_code = 70


class AlteredError(AuditError):
    """A record's bytes are not those that were written: a hash, a chain or its form is broken."""

    exit_code = 71


class SignatureError(AuditError):
    """A signature does not verify, or another key signed."""

    exit_code = 72


class SpendingError(AuditError):
    """The privacy spent is not what was stated, charged or promised."""

    exit_code = 73


class RoundError(AuditError):
    """A round's plan, session, survivors or threshold contradict the record."""

    exit_code = 74


class EgressError(AuditError):
    """Something left a device that may not leave."""

    exit_code = 75


class FigureError(AuditError):
    """A figure of the report or the metrics is not what the record gives."""

    exit_code = 76


class MissingRecordError(AuditError):
    """A record that the audit needs is not there."""

    exit_code = 77


class RefutedError(AuditError):
    """An attack did better than the promise allows, or a self-test of this build failed."""

    exit_code = 78


class ServeError(MienError):
    """The adviser's local page cannot be served as it was asked for."""

    exit_code = 80
