"""How help looks: a title for each group of options, without boxes, and a line for each option where it fits."""

import textwrap
from typing import TYPE_CHECKING

from cyclopts import Group
from cyclopts.help import ColumnSpec, HelpEntry, HelpPanel, TableSpec

from vidseq.commands.values import placeholder

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

#: Options that every command has.
COMMON = Group("Common options", sort_key=1000)
#: Columns for names of options; a name that is longer stands on two lines.
NAME_WIDTH = 27


class HelpPage:
    """The formatter of all help pages."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: HelpPanel) -> None:
        """Prints a group of options or commands."""
        if not panel.entries:
            return
        names = ColumnSpec(renderer=_name, style="cyan", width=NAME_WIDTH)
        table = TableSpec(padding=(0, 0, 0, 2), pad_edge=True).build(
            (names, ColumnSpec(renderer=_description, overflow="fold")), panel.entries
        )
        console.print(f"[bold]{panel.title}:[/bold]", highlight=False)
        console.print(table)
        console.print()

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: object) -> None:
        """Prints how a command is called."""
        console.print(f"Usage: {usage}", highlight=False, markup=False)

    def render_description(self, console: "Console", options: "ConsoleOptions", description: object) -> None:
        """Prints what a command does; lines are broken as the terminal is wide."""
        with console.capture() as capture:
            console.print(description)
        for paragraph in capture.get().strip().split("\n\n"):
            console.print(textwrap.fill(" ".join(paragraph.split()), console.width), highlight=False, markup=False)
            console.print()


def _name(entry: HelpEntry) -> "Text":
    """ "--lr X", "--[no-]causal" for a switch that is on, or the name of a command."""
    from rich.text import Text

    if entry.type is None:
        return Text(", ".join(entry.all_options))
    options = [name for name in (*entry.positive_names, *entry.positive_shorts) if name.startswith("-")]
    if entry.negative_names:
        options = [_with_negative(name) for name in options]
    return Text(f"{', '.join(options)} {placeholder(entry.type)}".strip())


def _with_negative(name: str) -> str:
    """ "--training.causal" as "--training.[no-]causal"."""
    parents, mark, last = name.rpartition("." if "." in name else "--")
    return f"{parents}{mark}[no-]{last}"


def _description(entry: HelpEntry) -> "Text":
    from rich.text import Text

    words = str(getattr(entry.description, "primary_renderable", entry.description or "")).split("\n\n")[0]
    words = " ".join(words.split())
    text = Text(f"{words[:1].upper()}{words[1:]}")
    note = "required" if entry.required else f"default {entry.default}" if entry.default is not None else ""
    return text + Text(f" ({note})" if note else "", "grey58")
