"""One command, `vidseq`: every verb calls one library function. Nothing heavy is imported until a verb runs."""

import dataclasses
import difflib
import inspect
import re
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, NoReturn, TypeAlias

from jsonargparse import ArgumentParser, Namespace, auto_cli, set_parsing_settings

from vidseq import __version__
from vidseq.commands import data, evaluation, features, prediction, training
from vidseq.errors import UserError, unknown_name


@dataclasses.dataclass(frozen=True)
class LaterVerbs:
    """Verbs that are known only once their library is imported."""

    kind: str
    """What they are, such as "layout"."""
    summary: str
    load: Callable[[], Mapping[str, "Verb"]]


@dataclasses.dataclass(frozen=True)
class BranchingVerb:
    """A verb that runs by itself and has verbs of its own; its options all have names, its next word is a verb."""

    run: Callable[..., int | None]
    verbs: Mapping[str, "Verb"]


#: What a verb runs, or its own verbs, or both.
Verb: TypeAlias = "Callable[..., int | None] | Mapping[str, Verb] | LaterVerbs | BranchingVerb"

#: The verbs.
VERBS: Mapping[str, "Verb"] = {
    "classroom": data.classroom,
    "data": {
        "init": data.init,
        "check": data.check,
        "convert": LaterVerbs(
            "layout", "Converts a data set from another layout; --from says which.", data.converters
        ),
        "browse": data.browse,
    },
    "features": features.features,
    "database": {"build": features.database_build},
    "train": training.train,
    "evaluate": evaluation.evaluate,
    "compare": training.compare,
    "context": BranchingVerb(
        evaluation.context,
        {"explain": evaluation.explain, "report": evaluation.report, "audit": evaluation.audit},
    ),
    "predict": prediction.predict,
    "info": prediction.info,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: what stands behind `vidseq` on the command line; None: take it from there.

    Returns:
        exit status: 0 all well; 1 done, but some inputs failed and were named; 2 a user's mistake; 130 interrupted.
    """
    return _told(_run, list(sys.argv[1:] if arguments is None else arguments))


def run_script(script: Callable[..., object], *, as_positional: bool = False) -> None:
    """Runs a script, such as a recipe, with the command line as the parameters of a function, and ends the process.

    Mistakes are told as by `vidseq`: one line and exit status 2; --debug shows the traceback.

    Args:
        script: its parameters are the options.
        as_positional: whether those without a default come first, without their names.
    """

    def run(words: list[str]) -> int:
        auto_cli(script, args=words, as_positional=as_positional, parser_class=_Parser, allow_abbrev=False)
        return 0

    sys.exit(_told(run, sys.argv[1:]))


def _told(run: Callable[[list[str]], int], words: list[str]) -> int:
    """The exit status of what runs with the words, its errors told in a line."""
    debug = "--debug" in words
    try:
        return run([word for word in words if word != "--debug"])
    except SystemExit as end:
        return int(end.code or 0)
    except KeyboardInterrupt:
        if debug:
            raise
        print("\nvidseq: interrupted. Run the same command again to go on where it stopped.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        if debug:
            raise
        print(f"vidseq: {_message(error)}", file=sys.stderr)
        return 2


def _run(words: list[str]) -> int:
    if words[:1] == ["--version"]:
        print(f"vidseq {__version__}")
        return 0
    path, verb = _find_verb(_after_from(words))
    rest = _after_from(words)[len(path) :]
    if isinstance(verb, Mapping):
        _overview(path, verb).parse_args(rest or ["--help"])
        raise AssertionError("an overview without a verb ends in help or an error")
    run = verb.run if isinstance(verb, BranchingVerb) else verb
    parser = _verb_parser(path, run, _more_verbs(verb))
    spelt = _spell(_name_first_words(rest, run), run)
    _refuse_empty_paths(spelt, run)
    settings = parser.parse_args(spelt)
    return run(**_call_arguments(run, parser.instantiate(settings))) or 0


def _after_from(words: list[str]) -> list[str]:
    """Takes `data convert --from LAYOUT` for the verb `data convert LAYOUT`."""
    if words[:2] == ["data", "convert"] and "--from" in words[:-1]:
        place = words.index("--from")
        return [*words[:2], words[place + 1], *words[2:place], *words[place + 2 :]]
    return words


def _name_first_words(words: Sequence[str], run: Callable[..., int | None]) -> list[str]:
    """Lets the first parameters stand without their names, as in `vidseq data check my_data`."""
    configs = _config_classes(run)
    names = [
        name
        for name, parameter in inspect.signature(run).parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and name not in configs
    ]
    named: list[str] = []
    for name, word in zip(names, words):
        if word.startswith("-"):
            break
        named += [f"--{name}", word]
    return named + list(words[len(named) // 2 :])


def _find_verb(
    words: Sequence[str],
) -> tuple[list[str], "Callable[..., int | None] | Mapping[str, Verb] | BranchingVerb"]:
    """Follows the first words as far as they name verbs."""
    verb: Any = VERBS
    path: list[str] = []
    kind = "verb"
    for word in words:
        inner = _more_verbs(verb)
        if inner is None or word.startswith("-"):
            break
        if word not in inner:
            raise unknown_name(kind, word, inner)
        path.append(word)
        verb = inner[word]
        if isinstance(verb, LaterVerbs):
            kind, verb = verb.kind, verb.load()
    return path, verb


def _more_verbs(verb: Any) -> Mapping[str, Verb] | None:
    """The verbs that may follow one; None where none may."""
    if isinstance(verb, BranchingVerb):
        return verb.verbs
    return verb if isinstance(verb, Mapping) else None


class _Parser(ArgumentParser):
    """A parser that says one line and exits with 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (.*)", message, re.IGNORECASE)
        options = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        if unknown:
            word = unknown[1].split()[0]
            near = difflib.get_close_matches(word.split("=")[0], options, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            message = f"Unknown option '{word}'.{hint} `{self.prog} --help` lists all of them."
        else:
            message = _wrong_value(re.sub(r"\s+", " ", message))
        print(f"vidseq: {message}", file=sys.stderr)
        raise SystemExit(2)


#: What jsonargparse calls types, and what a user calls them.
_TYPES = {
    "int": "a whole number", "float": "a number", "bool": "true or false", "dict": "a mapping such as {layers: 2}",
    "list": "a list such as [a, b]", "tuple": "a list such as [a, b]", "Path": "a path", "str": "text",
}  # fmt: skip


def _wrong_value(message: str) -> str:
    """Says in plain words that an option cannot have a value; all other messages stay as they are."""
    found = re.match(r'Parser key "([\w.]+)": .*(?:Got value|Given value): (.*)$', message)
    choices = [re.findall(r"'([^']*)'", text) for text in re.findall(r"Literal\[([^\]]*)\]", message)]
    names = [name.split(".")[-1] for name in re.findall(r"Expected a <class '([\w.]+)'>", message)]
    wanted = [f"one of {', '.join(words)}" for words in choices]
    wanted += [_TYPES[name] for name in names if name in _TYPES]
    if not found or not wanted:
        return message
    return f"Option --{found[1]} expects {' or '.join(dict.fromkeys(wanted))}, got '{found[2]}'."


def _overview(path: Sequence[str], verbs_here: Mapping[str, Verb]) -> ArgumentParser:
    """Lists the verbs at one place; parsers of their own are built only for the one that runs."""
    description = "Temporal reasoning on video: what do I see, and what happens next?"
    parser = _Parser(prog=" ".join(["vidseq", *path]), description=None if path else description)
    if not path:
        parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        parser.add_argument("--version", action="store_true", help="print the version")
    subcommands = parser.add_subcommands(dest="verb", required=True)
    for name, verb in verbs_here.items():
        summary = _summary(verb)
        subcommands.add_subcommand(name, _Parser(description=summary), help=summary)
    return parser


def _verb_parser(
    path: Sequence[str], run: Callable[..., int | None], inner: Mapping[str, Verb] | None
) -> ArgumentParser:
    more = [f"`vidseq {' '.join(path)} {name}`: {_summary(verb)}" for name, verb in (inner or {}).items()]
    notes = "Dashes and underscores in option names mean the same. An option that takes a list may be repeated."
    parser = _Parser(
        prog=f"vidseq {' '.join(path)}",
        description=_summary(run),
        epilog=" ".join([notes, *(["See also"] if more else []), *more]),
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="a YAML file of options; options given beside it win")
    parser.add_function_arguments(run, as_positional=False, fail_untyped=True, skip=set(_config_classes(run)))
    set_parsing_settings(docstring_parse_attribute_docstrings=True)  # the fields of configs explain themselves
    for config in _config_classes(run).values():
        parser.add_class_arguments(config, skip=set(_fixed_fields(run)))
    return parser


def _config_classes(run: Callable[..., int | None]) -> dict[str, type]:
    """The parameters whose type is a dataclass: their fields are options of the verb."""
    hints = {name: hint for name, hint in typing.get_type_hints(run).items() if name != "return"}
    return {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint) and isinstance(hint, type)}


def _fixed_fields(run: Callable[..., int | None]) -> frozenset[str]:
    """The fields of its configs that a verb sets by itself, see `vidseq.commands.training.sets_itself`."""
    fixed: frozenset[str] = getattr(run, "fixed_fields", frozenset())
    return fixed


def _call_arguments(run: Callable[..., int | None], settings: Namespace) -> dict[str, Any]:
    """Puts the options together again as the verb's parameters."""
    values = {name: value for name, value in vars(settings).items() if name != "config"}
    for parameter, config in _config_classes(run).items():
        fields = [field.name for field in dataclasses.fields(config) if field.name not in _fixed_fields(run)]
        values[parameter] = config(**{name: values.pop(name) for name in fields})
    return values


def _options_of(run: Callable[..., int | None], fits: Callable[[object], bool]) -> set[str]:
    """The options whose type fits."""
    hints = typing.get_type_hints(run)
    for config in _config_classes(run).values():
        hints |= typing.get_type_hints(config)
    return {name for name, hint in hints.items() if fits(hint)}


def _is_list(hint: object) -> bool:
    if isinstance(hint, UnionType):
        return any(_is_list(part) for part in typing.get_args(hint))
    return typing.get_origin(hint) is list


def _is_path(hint: object) -> bool:
    return hint is Path or any(_is_path(part) for part in typing.get_args(hint))


def _refuse_empty_paths(words: Sequence[str], run: Callable[..., int | None]) -> None:
    """An empty text would be the current folder, which is hardly what a variable without a value was to say."""
    paths = {f"--{name}" for name in _options_of(run, _is_path)}
    for word, following in zip(words, [*words[1:], "-"]):
        name, given, value = word.partition("=")
        if name.rstrip("+") in paths and not (value if given else following).strip():
            raise UserError(f"Option {name.rstrip('+')} expects a path, got nothing.")


def _spell(words: Sequence[str], run: Callable[..., int | None]) -> list[str]:
    """Writes options as the parser wants them: underscores, a plus where a list goes on, a value for every flag, and
    brackets around the fields of a config that are several words, as in `--families doing,order`."""
    lists, flags = _options_of(run, _is_list), _options_of(run, lambda hint: hint is bool)
    several = {f"--{name}" for name in _options_of(run, lambda hint: typing.get_origin(hint) is tuple)}
    spelt: list[str] = []
    for word, following in zip(words, [*words[1:], ""]):
        option = re.fullmatch(r"--([A-Za-z][\w-]*)(\.[^=]*)?(=.*)?", word, re.DOTALL)
        if option:
            name = option[1].replace("-", "_")
            word = f"--{name}{'+' if name in lists else ''}{option[2] or ''}{option[3] or ''}"
            if name in flags and not option[3] and following not in ("true", "false"):
                word += "=true"
        name, _, value = word.partition("=")
        if name in several and value and not value.startswith("["):
            word = f"{name}=[{value}]"
        elif spelt and spelt[-1] in several and not word.startswith("["):
            word = f"[{word}]"
        spelt.append(word)
    return spelt


def _summary(verb: Verb) -> str:
    if isinstance(verb, LaterVerbs):
        return verb.summary
    if isinstance(verb, BranchingVerb):
        return _summary(verb.run)
    return f"{', '.join(verb)}." if isinstance(verb, Mapping) else (verb.__doc__ or "").strip().splitlines()[0]


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
