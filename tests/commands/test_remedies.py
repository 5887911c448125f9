"""Every way out that a message names is there: its options are those of each command that can print it."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property

import pytest
from library_source import LIBRARY
from structure.imports import reachable
from structure.source import Module, Repository

from vidseq.cli import COMMANDS
from vidseq.commands.options import Command
from vidseq.importers import IMPORTERS

#: These offer an option only to callers that say `overwrite=...`, so it is those that offer it.
OFFER_OVERWRITE = {"vidseq.claims.claim_folder", "vidseq.claims.refuse_existing"}
#: `vidseq info` lists importers and calls none.
LISTED = {"info": "vidseq.importers.registry.IMPORTERS"}
#: What `vidseq data convert` has besides the options of an importer.
CONVERT = {"from", "overwrite"}
#: What every command has.
COMMON = {"help", "help-all", "version", "config", "print-config", "debug"}
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z_-]*[a-z])")
#: A command in backticks, and behind it its words and options.
QUOTED = re.compile(r"`vidseq ([^`]*)`|\bNext: vidseq (.*)")


class Definition:
    """A function, class or name at the top of a module: the names that it uses, and the texts that it holds."""

    def __init__(self, module: Module, node: ast.stmt, imported: Mapping[str, str]) -> None:
        self.module, self.node = module, node
        self.imported = dict(imported) | _imports(module, node)

    @cached_property
    def uses(self) -> set[str]:
        """Dotted names of what it refers to, as far as they can be told; a method belongs to its class."""
        found = set()
        parameters = {node.arg for node in ast.walk(self.node) if isinstance(node, ast.arg)}
        for node in ast.walk(self.node):
            first, _, rest = _dotted(node).partition(".")
            if first and first not in parameters:
                found.add(".".join(filter(None, [self.imported.get(first, f"{self.module.name}.{first}"), rest])))
        return found

    @cached_property
    def messages(self) -> list[str]:
        """Its texts other than docstrings; what an f-string fills in is an ellipsis."""
        hidden = {id(part) for node in ast.walk(self.node) if isinstance(node, ast.JoinedStr) for part in node.values}
        hidden |= {id(node.value) for node in ast.walk(self.node) if isinstance(node, ast.Expr)}
        texts = (_text(node) for node in ast.walk(self.node) if id(node) not in hidden)
        return [text for text in texts if text]

    @cached_property
    def offers_overwrite(self) -> bool:
        """Whether it calls what offers `--overwrite` and says that it has that option."""
        calls = (node for node in ast.walk(self.node) if isinstance(node, ast.Call))
        return any(
            f"vidseq.claims.{_dotted(call.func)}" in OFFER_OVERWRITE
            and any(word.arg == "overwrite" and not isinstance(word.value, ast.Constant) for word in call.keywords)
            for call in calls
        )


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""


def _imports(module: Module, tree: ast.AST) -> dict[str, str]:
    """What each name means that is imported in a part of a module."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
    return found


def definitions(repository: Repository) -> dict[str, Definition]:
    """Everything at the top of every module, by its dotted name."""
    found = {}
    for module in repository.modules.values():
        top = ast.Module([node for node in module.tree.body if isinstance(node, (ast.Import, ast.ImportFrom))], [])
        guarded = [node for node in module.tree.body if isinstance(node, ast.If)]
        imported = _imports(module, top) | {k: v for node in guarded for k, v in _imports(module, node).items()}
        for node in module.tree.body:
            names = [getattr(node, "name", "")]
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            found |= {f"{module.name}.{name}": Definition(module, node, imported) for name in names if name}
    return found


def references(repository: Repository, known: Mapping[str, Definition]) -> dict[str, set[str]]:
    """Which definitions each definition refers to."""

    def resolve(name: str) -> Iterator[str]:
        parts = name.split(".")
        for end in range(len(parts), 1, -1):
            package, last = ".".join(parts[: end - 1]), parts[end - 1]
            face = repository.faces.get(package, {}).get(last)
            for candidate in (".".join(parts[:end]), f"{face}.{last}"):
                if candidate in known:
                    yield candidate
                    return

    return {name: {to for use in item.uses for to in resolve(use)} - {name} for name, item in known.items()}


@cache
def all_definitions() -> dict[str, Definition]:
    """The definitions of the library."""
    return definitions(LIBRARY)


@cache
def all_references() -> dict[str, set[str]]:
    """Which of them refers to which."""
    return references(LIBRARY, all_definitions())


def options_of(words: str) -> set[str] | None:
    """The options of a command by its words, with dashes; None if there is no such command."""
    if words.startswith("data convert"):
        return CONVERT.union(*(_options(importer) for importer in IMPORTERS.values()))
    runs = COMMANDS.get(words)
    return None if runs is None else set() if isinstance(runs, str) else _options(runs)


def _options(function: object) -> set[str]:
    return {option.name.replace("_", "-") for option in Command(function).options}  # type: ignore[arg-type]


def roots() -> dict[str, tuple[str, set[str]]]:
    """The function that each command runs, and its options."""
    found = {
        words: (f"{runs.__module__}.{runs.__name__}", _options(runs))
        for words, runs in COMMANDS.items()
        if callable(runs)
    }
    for name, importer in IMPORTERS.items():
        found[f"data convert {name}"] = (f"{importer.__module__}.convert", CONVERT | _options(importer))
    return found


ROOTS = roots()


def named_commands(message: str) -> Iterator[tuple[str, set[str]]]:
    """The commands that a message quotes, each with the options behind it."""
    for quoted in (found[1] or found[2] for found in QUOTED.finditer(message)):
        words = re.match(r"[a-z ]*", quoted.split(" -")[0])
        assert words is not None
        parts = words.group().split()
        if not parts:  # an f-string says which
            continue
        known = [" ".join(parts[:end]) for end in range(len(parts), 0, -1)]
        command = next((name for name in known if options_of(name) is not None), " ".join(parts))
        yield command, {option.replace("_", "-") for option in OPTION.findall(quoted)}


@cache
def own_options(message: str) -> set[str]:
    """The options that a message names of no command: they are meant of the one that prints it."""
    return {option.replace("_", "-") for option in OPTION.findall(QUOTED.sub("", message))}


def test_commands_and_their_options_that_messages_name_exist() -> None:
    for item in all_definitions().values():
        for message in item.messages:
            for command, options in named_commands(message):
                has = options_of(command)
                assert has is not None, f"{item.module.name}: no command 'vidseq {command}': {message}"
                assert options <= has | COMMON, (
                    f"{item.module.name}: vidseq {command} has no {options - has}: {message}"
                )


@pytest.mark.parametrize("command", ROOTS)
def test_a_message_names_options_of_the_command_that_prints_it(command: str) -> None:
    root, options = ROOTS[command]
    reached = reachable([root], all_references() | {LISTED.get(command, ""): set()}) - {LISTED.get(command)}
    offered = [
        (name, message, own_options(message))
        for name in sorted(reached - OFFER_OVERWRITE)
        for message in all_definitions()[name].messages
    ]
    offered += [
        (name, "use --overwrite", {"overwrite"}) for name in reached if all_definitions()[name].offers_overwrite
    ]
    wrong = [
        f"{name}: {sorted(missing)} in: {message}"
        for name, message, named in offered
        if (missing := named - options - COMMON)
    ]
    assert not wrong, "\n".join([f"vidseq {command} has not what it can tell to use:", *wrong])
