"""A look for the terminal, as rich renderables: readable by somebody who knows nothing of it.

``lines(result)`` returns what to print, top to bottom: what the photo allows, what was read, the cards in the
order of use, what else could be told, and that nothing was sent. Colours help but carry nothing alone: every
swatch has its name and its code, every star its legend.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from recommend.adviser import Card, Tint
from recommend.describe import Describer
from recommend.look import LookResult
from recommend.palette import DOMAIN_COLOURS

WIDTH = 92
STAR = "★"


def lines(result: LookResult, *, details: bool = False) -> list[RenderableType]:
    """Return the renderables of a look; ``details`` adds the table of every measure and the sources."""
    speak = Describer(result.look.language)
    parts: list[RenderableType] = [Text(speak.say("label.look"), style="bold"), *_photo(result, speak)]
    parts.append(_summary(result, speak))
    if details:
        parts.append(_measures(result, speak))
    parts.extend(_card(card, speak, details) for card in result.look.cards)
    parts.append(_footer(result, speak))
    return parts


def _photo(result: LookResult, speak: Describer) -> Iterator[RenderableType]:
    notices = speak.notices(result.reading)
    if not notices:
        yield Text(f"✓ {speak.say('label.good_photo')}", style="green")
    for text, advice in notices:
        yield Text.assemble(("! ", "yellow bold"), text, " ", (advice, "dim"))


def _summary(result: LookResult, speak: Describer) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for label, value in speak.summary(result.reading):
        grid.add_row(label, value)
    grid.add_row("", speak.total(result.look))
    return Padding(grid, (1, 0))


def _measures(result: LookResult, speak: Describer) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, title=speak.say("label.reading"), title_justify="left", pad_edge=False)
    for name in ("measure", "value", "interval", "percentile", "answer"):
        right = name in ("value", "interval", "percentile")
        table.add_column(speak.say(f"label.{name}"), justify="right" if right else "left")
    for row in speak.measures(result):
        table.add_row(*row.cells, style="" if row.decided else "dim")
    note = Text(speak.reference(), style="dim")
    return Group(table, note)


def _card(card: Card, speak: Describer, details: bool) -> RenderableType:
    colour = DOMAIN_COLOURS[card.domain]
    body = Table.grid(padding=(0, 2))
    body.add_column(style="dim", no_wrap=True)
    body.add_column(overflow="fold")
    if card.places:
        body.add_row(speak.say("label.where"), "\n".join(speak.places(card)))
    body.add_row(speak.say("label.how"), "\n".join(f"{i}. {step}" for i, step in enumerate(card.steps, 1)))
    if card.colours:
        body.add_row(speak.say("label.colours"), Group(*(_swatch(tint, speak) for tint in card.colours)))
    if card.tools:
        body.add_row(speak.say("label.tools"), speak.join(card.tools))
    reasons = [card.reason, *(why.sentence for why in card.why if why.origin != "always")]
    body.add_row(speak.say("label.why"), "\n".join(reasons))
    body.add_row("", Text(f"{card.confidence_word} · {card.evidence_word}", style="dim"))
    if card.instead_of and details:
        others = "\n".join(f"{other.title}{speak.dash}{other.reason}" for other in card.instead_of)
        body.add_row(speak.say("label.instead_of"), Text(others, style="dim"))
    if details:
        body.add_row(speak.say("label.sources"), Text(speak.join(card.sources), style="dim"))
    head = Text.assemble((f" {card.number} ", f"bold white on {colour}"), " ", (card.title, "bold"))
    if card.starred:
        head.append(f" {STAR}", style="yellow")
    tail = f"{card.domain_name} · {card.minutes:g} {speak.say('label.minutes')}"
    return Panel(
        body,
        title=head,
        title_align="left",
        subtitle=tail,
        subtitle_align="right",
        border_style=colour,
        width=WIDTH,
    )


def _swatch(tint: Tint, speak: Describer) -> Text:
    swatch = tint.swatch
    text = Text.assemble(
        ("    ", f"on {swatch.hex}"), " ", ("    ", f"on {swatch.own_hex}"), ("    ", f"on {swatch.on_hex}")
    )
    text.append(f"  {tint.name}")
    text.append(
        f"  {speak.say('label.product')} {swatch.hex}, {speak.say('label.on')} {swatch.on_hex}", style="dim"
    )
    if swatch.faint:
        text.append(f" ({speak.say('label.faint')})", style="dim")
    return text


def _footer(result: LookResult, speak: Describer) -> RenderableType:
    questions: Sequence[str] = speak.questions(result)
    parts: list[RenderableType] = [Text(f"{STAR} {speak.say('label.start')}", style="yellow")]
    if questions:
        parts.append(Text(speak.say("label.ask"), style="bold"))
        parts.extend(Text(f"  {question}") for question in questions)
    parts.extend(Text(hint, style="dim") for hint in speak.hinted(result))
    if any(place.estimated for card in result.look.cards for place in card.places):
        parts.append(Text(speak.say("label.hairline"), style="dim"))
    parts.append(Text(speak.say("label.colour_note"), style="dim"))
    parts.append(Text(speak.say("label.private"), style="green"))
    return Padding(Group(*parts), (1, 0))
