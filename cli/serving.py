"""`mien serve`: the adviser as a page on this machine."""

from __future__ import annotations

from typing import Literal

from rich.console import Console

from cli.feedback import passphrase_for
from recommend.feedback.store import default_folder
from recommend.serve.opinions import Opinions
from recommend.serve.server import serve


def serve_page(
    console: Console, port: int, language: Literal["en", "zh"], host: str, *, browser: bool
) -> None:
    """Serve the page on 127.0.0.1 until Ctrl-C; say where it is, and what it does not do."""

    def announce(address: str) -> None:
        console.print("[bold]Mien[/bold] is ready. Open this link on this machine:")
        console.print(f"  {address}", soft_wrap=True, highlight=False)
        console.print(
            "The link is the key: do not pass it on. Photos stay in memory; nothing is sent anywhere."
        )
        console.print("Ctrl-C ends it and forgets everything.", style="dim")

    opinions = Opinions(passphrase=passphrase_for(default_folder()))
    serve(port=port, host=host, language=language, browser=browser, opinions=opinions, announce=announce)
