"""Writes the pages that come from the library itself: the commands, the heads, and the public names.

Sphinx's configuration calls `write_pages`. Nothing here has to change when a command, an option, a head or a public
name is added.
"""

import ast
import contextlib
import dataclasses
import importlib
import inspect
import io
import os
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from docstrings import to_rst

import vidseq
from vidseq.cli import COMMANDS, main
from vidseq.heads import HEADS, TemporalHead

#: The module of the errors that users meet; all of it is public.
ERRORS = "vidseq.errors"
INTRODUCTION = """\
A temporal head turns features into memory. Every head runs offline, on a live stream, and for queries, by one `scan`;
all pass one contract test. Choose one with `--head NAME`, and its options with `--head_options '{layers: 2}'`; in
Python, with `make_head(name, dim, options)`."""


def write_pages(folder: Path) -> None:
    """Writes all pages into a folder; files that do not change keep their time."""
    pages = {**command_pages(), "heads.md": head_page(), **name_pages()}
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def command_pages() -> dict[str, str]:
    """A page for each verb, with the help of the verb and of those below it."""
    groups: dict[str, list[str]] = defaultdict(list)
    for command in COMMANDS:
        groups[command.split()[0]].append(command)
    pages = {f"command_{verb}.md": _command_page(verb, commands) for verb, commands in groups.items()}
    links = "\n".join(f"command_{verb}" for verb in groups)
    help_text = _help([])
    pages["commands.md"] = f"# Commands\n\n```text\n{help_text}```\n\n```{{toctree}}\n:hidden:\n\n{links}\n```\n"
    return pages


def _command_page(verb: str, commands: Iterable[str]) -> str:
    parts = [f"# vidseq {verb}"]
    for command in commands:
        parts += [f"## vidseq {command}"] if command != verb else []
        parts.append(f"```text\n{_help(command.split())}```")
    return "\n\n".join(parts) + "\n"


def _help(words: list[str]) -> str:
    """All of the help of a command, as it is printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        os.environ["COLUMNS"] = "100"
        main([*words, "--help-all" if words else "--help"])
    return printed.getvalue().strip() + "\n"


def head_page() -> str:
    """The catalogue: each head's docstring and its options."""
    parts = ["# Heads", INTRODUCTION]
    for name, head in HEADS.items():
        parts += [f"## {name}", _docstring(head), _facts(head), _options(head)]
    return "\n\n".join(parts) + "\n"


def _docstring(thing: object) -> str:
    """A docstring as a block of reStructuredText."""
    text = "\n".join(to_rst((inspect.getdoc(thing) or "").splitlines()))
    return f"```{{eval-rst}}\n{text}\n```"


def _facts(head: type[TemporalHead]) -> str:
    causal = "with `causal=False`, too" if head.supports_noncausal else "causal only"
    relation = "equals" if head.streams_exactly else "may differ from"
    return f"`{head.__name__}`: {causal}; a run in chunks {relation} a whole run."


def _options(head: type[TemporalHead]) -> str:
    """A table of the head's own options."""
    meanings = _field_docstrings(head.Config)
    rows = [
        f"| `{field.name}` | `{_default(field)}` | {meanings.get(field.name, '')} |"
        for field in dataclasses.fields(head.Config)
        if field.name not in ("dim", "causal")
    ]
    if not rows:
        return "It has no options."
    return "\n".join(["| option | default | meaning |", "|---|---|---|", *rows])


def _default(field: "dataclasses.Field[object]") -> str:
    if field.default is not dataclasses.MISSING:
        return str(field.default)
    return "" if field.default_factory is dataclasses.MISSING else str(field.default_factory())


def _field_docstrings(config: type) -> dict[str, str]:
    """The texts that stand behind the fields of a dataclass and of those it comes from."""
    found: dict[str, str] = {}
    for part in reversed(config.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:]):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                found[field.target.id] = " ".join(ast.literal_eval(text.value).split()).replace("|", "\\|")
    return found


def name_pages() -> dict[str, str]:
    """A page for each package with public names, and the list of them. Each name is explained in one package."""
    packages = public_packages()
    homes = _homes(packages)
    pages = {f"{package}.md": _names_page(package, homes) for package in packages}
    pages[f"{ERRORS}.md"] = f"# {ERRORS}\n\n{_automodule(ERRORS)}\n"
    links = "\n".join([*packages, ERRORS])
    intro = "Each package has its public names in its `__init__`; they are imported when they are first used."
    pages["names.md"] = f"# Python\n\n{intro}\n\n```{{toctree}}\n:maxdepth: 1\n\n{links}\n```\n"
    return pages


def public_packages() -> list[str]:
    """The packages that have public names, `vidseq` last."""
    root = Path(vidseq.__file__).parent
    folders = {path.parent for path in root.rglob("__init__.py*") if _has_names(path)}
    names = (".".join(folder.relative_to(root.parent).parts) for folder in folders)
    return sorted(names, key=lambda name: (name == "vidseq", name))


def _has_names(path: Path) -> bool:
    return path.suffix == ".pyi" or "\n__all__ = [" in path.read_text(encoding="utf-8")


def _homes(packages: Iterable[str]) -> dict[int, str]:
    """The package that explains each public thing: the one that it is defined in, or else the first that has it."""
    homes: dict[int, str] = {id(error): ERRORS for error in vars(importlib.import_module(ERRORS)).values()}
    for package in packages:
        module = importlib.import_module(package)
        for name in module.__all__:
            thing = getattr(module, name)
            if id(thing) not in homes or getattr(thing, "__module__", "").startswith(package + "."):
                homes[id(thing)] = package if package != "vidseq" else homes.get(id(thing), package)
    return homes


def _names_page(package: str, homes: dict[int, str]) -> str:
    module = importlib.import_module(package)
    own = [name for name in module.__all__ if homes[id(getattr(module, name))] == package]
    others = {name: homes[id(getattr(module, name))] for name in module.__all__ if name not in own}
    parts = [f"# {package}"]
    if own:
        parts.append(_automodule(package, ", ".join(own)))
    if others:
        parts += ["## Explained elsewhere", _links(others)]
    return "\n\n".join(parts) + "\n"


def _links(homes: Mapping[str, str]) -> str:
    return "\n".join(f"* `{name}`: [{home}]({home}.md)" for name, home in sorted(homes.items()))


def _automodule(module: str, names: str = "") -> str:
    """The directive that explains the names of a module; without names, those that it defines."""
    options = [f":members: {names}".strip(), *([":imported-members:"] if names else []), ":show-inheritance:"]
    return "\n".join(["```{eval-rst}", f".. automodule:: {module}", *(f"   {option}" for option in options), "```"])
