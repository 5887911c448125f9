"""How a value is written on the command line: one rule for each Python type."""

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import cyclopts
import yaml
from cyclopts import CoercionError, Parameter, Token, convert

#: Makes a value of a type and the words on the command line, or of their names in a mapping.
Reader: TypeAlias = Callable[[Any, Any], Any]

#: What a user calls a type, and what stands for its values in the help.
WORDS: Mapping[object, tuple[str, str]] = {
    bool: ("true or false", ""),
    int: ("a whole number", "N"),
    float: ("a number", "X"),
    str: ("text", "TEXT"),
    Path: ("a path", "PATH"),
    dict: ("a mapping such as {layers: 2}", "{...}"),
}

#: A switch may have a value or none. Cyclopts 4, the last one for Python 3.10, takes `--causal=false` alone, not
#: `--causal false`.
SWITCH: Any = bool | Literal["true", "false"] if cyclopts.__version__ >= "5" else bool


def annotation_for(hint: Any, default: Any) -> Any:
    """The annotation by which cyclopts reads and checks an option.

    Args:
        hint: the type that the option has in Python.
        default: its default value.
    """
    kind, optional = kind_of(hint), type(None) in typing.get_args(hint)
    converter = READERS.get(kind, convert)
    negative = None if default is True else ""
    text = str in (kind, item_of(hint) if kind in (list, tuple) else None)
    settings = Parameter(converter=_or_null(converter, text) if optional else converter, negative=negative)
    if kind is bool:
        return Annotated[SWITCH, settings]
    if kind is dict:
        optional_mapping = dict[str, Any] | None if optional else dict[str, Any]
        return Annotated[optional_mapping, Parameter.combine(settings, Parameter(json_dict=False))]
    return Annotated[hint, settings]


def kind_of(hint: Any) -> object:
    """The type behind None and parameters: bool, int, float, str, Path, dict, list, tuple or Literal."""
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    if typing.get_origin(hint) is Annotated:
        return kind_of(parts[0])
    if typing.get_origin(hint) in (typing.Union, type(int | str)):
        return bool if bool in parts else kind_of(parts[0])
    origin = typing.get_origin(hint) or hint
    return dict if isinstance(origin, type) and issubclass(origin, Mapping) else origin


def expected(hint: Any) -> str:
    """What an option expects, in a user's words; for a list: what each of its items is."""
    kind = kind_of(hint)
    if kind is Literal:
        return f"one of {', '.join(_choices(hint))}"
    return expected(item_of(hint)) if kind in (list, tuple) else WORDS[kind][0]


def placeholder(hint: Any) -> str:
    """What stands for the value in the help."""
    kind = float if float in typing.get_args(hint) and kind_of(hint) is str else kind_of(hint)
    if kind is Literal:
        return "|".join(_choices(hint))
    return placeholder(item_of(hint)) if kind in (list, tuple) else WORDS[kind][1]


def item_of(hint: Any) -> Any:
    """The type of a list's items."""
    inner = next((part for part in typing.get_args(hint) if kind_of(part) in (list, tuple)), None)
    return typing.get_args(hint)[0] if inner is None else item_of(inner)


def to_bool(_: Any, tokens: Sequence[Token]) -> bool:
    """Reads true or false."""
    words = {"true": True, "false": False}
    return words[tokens[-1].value.lower()] if tokens[-1].value.lower() in words else _refuse(tokens[-1], bool)


def to_whole_number(_: Any, tokens: Sequence[Token]) -> int:
    """Reads a whole number; cyclopts alone would round 1.5."""
    try:
        return int(tokens[-1].value)
    except ValueError:
        return _refuse(tokens[-1], int)


def to_path(_: Any, tokens: Sequence[Token]) -> Path:
    """Reads a path. An empty text would be the current folder, which is hardly what an unset variable means."""
    return Path(tokens[-1].value) if tokens[-1].value.strip() else _refuse(tokens[-1], Path)


def to_list(hint: Any, tokens: Sequence[Token]) -> Any:
    """Reads the words of an option that may be repeated; a word may be a list such as [a, b], for a tuple also a,b."""
    kind, item = kind_of(hint), item_of(hint)
    read = {int: to_whole_number, Path: to_path, float: _to_number, str: lambda _, token: token[-1].value}[item]
    words = (word for token in tokens for word in _words(token, commas=kind is tuple, text=item is str))
    return (tuple if kind is tuple else list)(read(item, [word]) for word in words)


def to_mapping(_: Any, tokens: Sequence[Token] | Mapping[str, Any]) -> dict[str, Any]:
    """Reads a mapping in YAML, JSON included, or the parts of one that were given as --option.key value."""
    if isinstance(tokens, Mapping):
        return {
            key: to_mapping(_, inner) if isinstance(inner, Mapping) else _yaml(inner[-1], dict)
            for key, inner in tokens.items()
        }
    value = _yaml(tokens[-1], dict)
    return value if isinstance(value, dict) else _refuse(tokens[-1], dict)


def _or_null(read: Reader, text: bool) -> Reader:
    """Lets the word null stand for None; for a text in a file alone, since a name or a question may be that word."""

    def read_or_null(hint: Any, tokens: Any) -> Any:
        null = not isinstance(tokens, Mapping) and [token.value for token in tokens] == ["null"]
        null = null and not (text and tokens[0].source in ("", "cli"))
        return None if null else read(hint, tokens)

    return read_or_null


def _to_number(_: Any, tokens: Sequence[Token]) -> float:
    try:
        return float(tokens[-1].value)
    except ValueError:
        return _refuse(tokens[-1], float)


#: How values are read that cyclopts alone would read otherwise.
READERS: Mapping[object, Reader] = {
    bool: to_bool,
    int: to_whole_number,
    Path: to_path,
    list: to_list,
    tuple: to_list,
    dict: to_mapping,
}


def _words(token: Token, commas: bool, text: bool) -> Iterator[Token]:
    items = _listed(token, text) if token.value.startswith("[") else None
    if items is not None:
        yield from (token.evolve(value=str(item)) for item in items)
    elif commas:
        yield from (token.evolve(value=word.strip()) for word in token.value.split(","))
    else:
        yield token


def _listed(token: Token, text: bool) -> list[Any] | None:
    """The items of a list; None for a text that merely begins with a bracket, such as "[a] or [b]?"."""
    if not text:
        items = _yaml(token, list)
        return items if isinstance(items, list) else [items]
    try:
        items = yaml.load(token.value, yaml.BaseLoader)  # texts stay texts: yes, 1e3, null
    except (yaml.YAMLError, RecursionError):
        return None
    return items if isinstance(items, list) and all(isinstance(item, str) for item in items) else None


def _yaml(token: Token, target: type) -> Any:
    try:
        return yaml.safe_load(token.value)
    except (yaml.YAMLError, RecursionError):
        return _refuse(token, target)


def _refuse(token: Token, target: type) -> typing.NoReturn:
    raise CoercionError(token=token, target_type=target)


def _choices(hint: Any) -> list[str]:
    literal = hint if typing.get_origin(hint) is Literal else typing.get_args(hint)[0]
    return [str(choice) for choice in typing.get_args(literal)]
