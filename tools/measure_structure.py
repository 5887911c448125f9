"""Measures how the library's source is built, so that a change of its structure can be shown before and after.

python tools/measure_structure.py
python tools/measure_structure.py --repo ../older_checkout
python tools/measure_structure.py --list words

The files are parsed and never imported. `tests/test_structure.py` holds the limits.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from structure import floors, functions, imports, tasks, words
from structure.source import Repository

#: What can be counted, and what finds it; each finding is a line of text.
FINDINGS: Mapping[str, Callable[[Repository], Sequence[str]]] = {
    "upward": floors.upward_arrows,
    "cycles": lambda repository: [" ".join(group) for group in imports.cycles(imports.import_graph(repository))],
    "rooms": lambda repository: [" ".join(group) for group in imports.room_cycles(repository)],
    "paths": imports.script_paths,
    "unreachable": imports.unreachable,
    "isinstance": tasks.type_checks,
    "literals": tasks.name_literals,
    "words": words.private_words,
}
_TITLES = {
    "upward": "imports that go upward",
    "cycles": "cycles of modules",
    "rooms": "cycles of rooms",
    "paths": "vidseq paths that recipes, tools and datasets import",
    "unreachable": "modules that neither the command nor a public name reaches",
    "isinstance": "isinstance on tasks outside tasks/",
    "literals": "names of tasks as literals outside tasks/",
    "words": "private words",
}


def room_sizes(repository: Repository) -> list[tuple[str, int, int]]:
    """Counts modules and lines of each room, most lines first."""
    sizes = [
        (room, len(modules), sum(module.num_lines for module in modules))
        for room, modules in repository.rooms().items()
    ]
    return sorted(sizes, key=lambda size: (-size[2], size[0]))


def largest_share(repository: Repository) -> Fraction:
    """Finds the share of the library's lines that its largest room has."""
    sizes = room_sizes(repository)
    return Fraction(sizes[0][2], sum(lines for _, _, lines in sizes))


def report(repository: Repository) -> str:
    """Writes the tables."""
    sizes = room_sizes(repository)
    lines = sum(size[2] for size in sizes)
    rooms = [("room", "modules", "lines", "share"), ("---",) * 4]
    rooms += [(room, str(num), f"{size:,}", f"{size / lines:.1%}") for room, num, size in sizes]
    lengths = [length for length, _ in functions.body_lengths(repository)]
    longest = functions.body_lengths(repository)[0]
    facts = [("measure", "value"), ("---",) * 2, ("modules", str(len(repository.modules))), ("lines", f"{lines:,}")]
    facts += [("largest room's share of the lines", f"{float(largest_share(repository)):.1%} ({sizes[0][0]})")]
    facts += [(_TITLES[name], str(len(find(repository)))) for name, find in FINDINGS.items()]
    facts += [
        ("lines of a function's body, median", f"{statistics.median(lengths):g}"),
        ("lines of a function's body, 90%", str(sorted(lengths)[int(0.9 * len(lengths))])),
        ("lines of a function's body, longest", f"{longest[0]} ({longest[1]})"),
    ]
    return "\n\n".join("\n".join(f"| {' | '.join(row)} |" for row in table) for table in (facts, rooms))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repo", type=Path, default=Path(__file__).parents[1], help="the checkout; this one")
    parser.add_argument("--list", choices=[*FINDINGS, "functions"], help="list the findings of one kind instead")
    options = parser.parse_args(arguments)
    repository = Repository(options.repo.resolve())
    try:
        print(_listed(repository, options.list) if options.list else report(repository))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _listed(repository: Repository, kind: str) -> str:
    if kind == "functions":
        return "\n".join(f"{length:>4} {name}" for length, name in functions.body_lengths(repository)[:50])
    return "\n".join(FINDINGS[kind](repository))


if __name__ == "__main__":
    sys.exit(main())
