"""`mien feedback`: what the adviser has learnt of a person's taste: show, change, export, forget, share it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from mien.files import write_atomic

if TYPE_CHECKING:  # heavy: read only when a command runs
    from recommend.feedback.store import Feedback
    from recommend.feedback.taste import Taste

PASSPHRASE = "MIEN_PASSPHRASE"  # noqa: S105 - the name of a variable

_NOTHING = "Nothing is kept. Say what you like: mien feedback like RULE, or in the page of mien serve."

app = typer.Typer(
    no_args_is_help=True, help="What the adviser has learnt of your taste: show, export, forget, share it."
)
_out = Console()

Folder = Annotated[Path | None, typer.Option("--folder", metavar="DIR", help="where it is kept")]
Rule = Annotated[
    str, typer.Argument(metavar="RULE", help="the `rule` of a card, as `mien look --format json` has it")
]
Occasion = Annotated[str, typer.Option(help="what the look was for")]
Style = Annotated[str, typer.Option(help="natural, groomed, glam, ...")]
Minutes = Annotated[float, typer.Option(help="how long you had")]

_GUARDS = {
    "passphrase": "your passphrase",
    "keyring": "the system's keyring",
    "file": "a file beside it that only you can read (it does not protect a stolen disk)",
}


def open_feedback(folder: Path | None) -> Feedback:
    """Open the person's feedback; ask for the passphrase where one guards it ($MIEN_PASSPHRASE, else a prompt)."""
    from recommend.feedback.store import Feedback, default_folder

    place = folder or default_folder()
    return Feedback.open(place, passphrase=passphrase_for(place))


def kept_feedback(folder: Path | None) -> Feedback | None:
    """Open the person's feedback where there is some. To look, take back or forget makes no file."""
    from privacy.vault import Vault
    from recommend.feedback.store import default_folder

    return open_feedback(folder) if Vault.guard_of(folder or default_folder()) else None


def passphrase_for(folder: Path) -> str | None:
    """Return the passphrase that guards what is kept in a folder, asked for where nobody gave it; else None."""
    from privacy.vault import Vault

    passphrase = os.environ.get(PASSPHRASE)
    if passphrase is None and Vault.guard_of(folder) == "passphrase":
        passphrase = str(typer.prompt("Passphrase", hide_input=True))
    return passphrase


def own_taste() -> Taste | None:
    """Return what the adviser has learnt of the person; None where nothing was ever kept on this device."""
    feedback = kept_feedback(None)
    return feedback.taste() if feedback else None


@app.command()
def show(folder: Folder = None) -> None:
    """Print what is kept: likes, what is hidden, who guards it, whether it is shared."""
    feedback = kept_feedback(folder)
    if feedback is None:
        _out.print(_NOTHING)
        return
    status = feedback.status()
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("liked", str(status.liked))
    table.add_row("not for me", str(status.not_for_me))
    table.add_row("sharing", "on" if status.sharing else "off")
    table.add_row("prior", status.prior)
    table.add_row("encrypted, key in", _GUARDS[status.guard])
    table.add_row("folder", str(status.folder))
    _out.print(table)
    opinions = feedback.opinions()
    if opinions:
        rows = Table("card", "occasion", "style", "", box=None, header_style="dim", pad_edge=False)
        for each in reversed(opinions):
            said = "liked" if each.liked else "not for me"
            rows.add_row(each.rule, each.situation.occasion, each.situation.style, said)
        _out.print(rows)


@app.command()
def like(
    rule: Rule,
    occasion: Occasion = "day",
    style: Style = "natural",
    minutes: Minutes = 20.0,
    folder: Folder = None,
) -> None:
    """Say that you like a card."""
    _record(rule, True, occasion, style, minutes, folder)


@app.command()
def dislike(
    rule: Rule,
    occasion: Occasion = "day",
    style: Style = "natural",
    minutes: Minutes = 20.0,
    folder: Folder = None,
) -> None:
    """Say that a card is not for you; it is not shown again on this occasion."""
    _record(rule, False, occasion, style, minutes, folder)


@app.command()
def undo(folder: Folder = None) -> None:
    """Take back what you said last."""
    feedback = kept_feedback(folder)
    last = feedback.undo() if feedback else None
    _out.print(f"Taken back: {last.rule}." if last else "There is nothing to take back.", highlight=False)


@app.command("export")
def export_(
    out: Annotated[Path | None, typer.Option("--out", help="a file; else the terminal")] = None,
    folder: Folder = None,
) -> None:
    """Write everything that is kept as JSON, in clear."""
    feedback = kept_feedback(folder)
    content = feedback.export() if feedback else {"opinions": [], "sharing": False}
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    if out is None:
        _out.file.write(text)
        return
    write_atomic(out, text.encode(), mode=0o600)
    _out.print(f"Wrote {out}: it is not encrypted.", soft_wrap=True)


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False, folder: Folder = None
) -> None:
    """Forget every opinion and the prior, stop sharing, and change the key."""
    feedback = kept_feedback(folder)
    if feedback is None:
        _out.print(_NOTHING)
        return
    if not yes:
        typer.confirm("Forget everything you said about cards?", abort=True)
    feedback.reset()
    _out.print("Forgotten. The vault has a new key, which opens nothing of what was there.")


@app.command()
def protect(folder: Folder = None) -> None:
    """Guard what is kept by a passphrase from now on, so that a stolen disk does not open it."""
    feedback = open_feedback(folder)
    feedback.protect(typer.prompt("New passphrase", hide_input=True, confirmation_prompt=True))
    _out.print("From now on the passphrase opens it, and nothing else does.")


@app.command()
def share(switch: Annotated[Literal["on", "off"], typer.Argument()], folder: Folder = None) -> None:
    """Let your opinions take part in federated training, or not. Off unless you switch it on."""
    feedback = open_feedback(folder) if switch == "on" else kept_feedback(folder)
    if feedback is not None:
        feedback.sharing(switch == "on")
    if switch == "off":
        _out.print("Off: this device refuses every round that asks for your opinions.")
        return
    _out.print(
        "On: when a coordinator that this device is set up for asks, it trains on your opinions here and sends one "
        "masked vector, clipped and noised, within the device's budget. No opinion leaves."
    )


@app.command()
def prior(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run of rule_prior, or its .safetensors")],
    folder: Folder = None,
) -> None:
    """Start from what people like on average, as a run has learnt it."""
    from recommend.feedback.prior import prior_of

    found = prior_of(run)
    open_feedback(folder).use_prior(found)
    _out.print(f"Prior: {found.origin}", soft_wrap=True)


def _record(rule: str, liked: bool, occasion: str, style: str, minutes: float, folder: Path | None) -> None:
    from recommend.preferences import Preferences

    wishes = Preferences(occasion=occasion, style=style, minutes=minutes)
    open_feedback(folder).record(rule, liked, wishes)
    _out.print(f"Kept: {rule}, {'liked' if liked else 'not for me'}, {occasion}.", highlight=False)
