"""`mien serve`: the adviser as a page on this machine."""

from __future__ import annotations

from typing import Literal

from rich.console import Console

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

    serve(port=port, host=host, language=language, browser=browser, announce=announce)
