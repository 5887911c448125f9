"""How the parameters of a function become options: a signature that cyclopts parses, checks and shows.

A parameter is an option, and so is each field of a parameter that is a config (a dataclass): cyclopts alone would drop
a config's default as soon as one of its fields is given.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import docstring_parser
from cyclopts import Group, Parameter

from vidseq.commands.values import annotation_for, placeholder

Function = TypeVar("Function", bound=Callable[..., object])

#: The title of options that have no other.
OPTIONS = "Options"
#: The title of options that `--help-all` shows and `--help` does not.
ADVANCED = "Advanced"


def option_groups(
    groups: Mapping[str, str] | None = None, *, advanced: str = "", fixed: str = ""
) -> Callable[[Function], Function]:
    """Makes a decorator that says how the help groups the options of a command.

    Args:
        groups: titles, each with the names of its options, separated by spaces.
        advanced: names of options that only `--help-all` shows.
        fixed: fields of configs that the command sets by itself; they are no options.

    Returns:
        the decorator; it gives the function attributes and leaves it as it is otherwise.
    """
    titles = {name: title for title, names in (groups or {}).items() for name in names.split()}
    titles |= dict.fromkeys(advanced.split(), ADVANCED)

    def mark(function: Function) -> Function:
        function.titles, function.fixed = titles, frozenset(fixed.split())  # type: ignore[attr-defined]
        return function

    return mark


@dataclasses.dataclass(frozen=True)
class Option:
    """A parameter of a function, or a field of a parameter that is a config."""

    parameter: str
    field: str | None
    name: str
    """Without the dashes, such as "epochs" or "training.epochs"."""
    hint: Any
    default: Any
    """`inspect.Parameter.empty` for a required option."""
    description: str | None
    title: str

    @property
    def key(self) -> str:
        """A Python name; no two options of a command share one."""
        return self.name.replace(".", "__")


class Command:
    """A function that is called with options.

    Args:
        function: its parameters are the options, its docstring describes them.
        prefix: put the parameter's name before the fields of a config, as in `--training.epochs`.
        positional: let parameters stand without their names, as in Python.
        show_all: show advanced options in the help.
    """

    def __init__(
        self, function: Callable[..., object], *, prefix: bool = False, positional: bool = True, show_all: bool = False
    ) -> None:
        self.function, self.prefix, self.positional, self.show_all = function, prefix, positional, show_all
        self.__name__, self.__doc__, self.__module__ = function.__name__, function.__doc__, function.__module__
        self.__annotations__: dict[str, Any] = {}  # the signature has them

    def __call__(self, *words: Any, **given: Any) -> object:
        """Calls the function with the options that were given; others keep the function's defaults."""
        return self.function(**self.arguments(self.__signature__.bind_partial(*words, **given).arguments))

    @functools.cached_property
    def options(self) -> list[Option]:
        """All options, in the order of the parameters."""
        return [option for name in self._parameters for option in self._options_of(name)]

    @functools.cached_property
    def __signature__(self) -> inspect.Signature:
        order = [OPTIONS, *getattr(self.function, "titles", {}).values(), *(option.title for option in self.options)]
        groups = {title: Group(title, sort_key=position) for position, title in enumerate(dict.fromkeys(order))}
        parameters = [self._cli_parameter(option, groups[option.title]) for option in self.options]
        return inspect.Signature(sorted(parameters, key=lambda parameter: parameter.kind))

    def usage(self, called: str) -> str:
        """How the command is called: what it needs, the words before the names, and [OPTIONS] for the rest.

        Args:
            called: the words that call it, such as "vidseq train".
        """
        words = [called]
        by_key = {option.key: option for option in self.options}
        for key, parameter in self.__signature__.parameters.items():
            option, required = by_key[key], parameter.default is inspect.Parameter.empty
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                words.append(option.name.upper() if required else f"[{option.name.upper()}]")
            elif required:
                words.append(f"--{option.name} {placeholder(option.hint)}")
        return " ".join([*words, "[OPTIONS]"])

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Makes the arguments of the function.

        Args:
            given: values of options, by `Option.key`.

        Returns:
            an argument for each parameter with a given option, and for each config.
        """
        arguments = {option.parameter: given[option.key] for option in self.options if option.key in given}
        for name, config in self._configs.items():
            default = self._parameters[name].default
            fields = {
                option.field: given[option.key]
                for option in self.options
                if option.parameter == name and option.field and option.key in given
            }
            start = default if isinstance(default, config) else config
            arguments[name] = None if default is None and not fields else _changed(start, fields)
        return arguments

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The value of every option, given or default, as `--config` reads it; configs that stay None are left out."""
        tree: dict[str, Any] = {}
        arguments = self.arguments(given)
        for option in self.options:
            if option.field is not None and arguments[option.parameter] is None:
                continue
            *parents, leaf = option.name.split(".")
            branch = functools.reduce(lambda inner, name: inner.setdefault(name, {}), parents, tree)
            branch[leaf] = _plain(given.get(option.key, option.default))
        return tree

    @functools.cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters

    @functools.cached_property
    def _hints(self) -> Mapping[str, Any]:
        return typing.get_type_hints(self.function)

    @functools.cached_property
    def _configs(self) -> Mapping[str, Any]:
        found = {name: config_class(self._hints[name]) for name in self._parameters}
        return {name: config for name, config in found.items() if config is not None}

    def _options_of(self, parameter: str) -> list[Option]:
        default, config = self._parameters[parameter].default, self._configs.get(parameter)
        titles, fixed = getattr(self.function, "titles", {}), getattr(self.function, "fixed", ())
        if config is None:
            hint, title = self._hints[parameter], titles.get(parameter, OPTIONS)
            return [Option(parameter, None, parameter, hint, default, None, title)]
        start, front = default if isinstance(default, config) else config(), f"{parameter}." if self.prefix else ""
        other = f"Options of {parameter}" if self.prefix else OPTIONS
        return [
            Option(parameter, field, front + field, hint, getattr(start, field), description, titles.get(field, other))
            for field, hint, description in fields_of(config)
            if field not in fixed
        ]

    def _cli_parameter(self, option: Option, group: Group) -> inspect.Parameter:
        positional = self.positional and option.field is None
        settings = Parameter(
            name=f"--{option.name}",
            group=group,
            show=option.title != ADVANCED or self.show_all,
            show_default=_shown(option.default),
        )
        if option.description is not None:
            settings = Parameter.combine(settings, Parameter(help=option.description))
        return inspect.Parameter(
            option.key,
            self._parameters[option.parameter].kind if positional else inspect.Parameter.KEYWORD_ONLY,
            default=option.default,
            annotation=Annotated[annotation_for(option.hint, option.default), settings],
        )


def config_class(hint: object) -> Any:
    """The dataclass that a type names, alone or beside None; None if there is none."""
    parts = [part for part in typing.get_args(hint) or (hint,) if part is not type(None)]
    return parts[0] if len(parts) == 1 and isinstance(parts[0], type) and dataclasses.is_dataclass(parts[0]) else None


@functools.cache
def fields_of(config: type) -> list[tuple[str, Any, str | None]]:
    """Name, type and description of every field of a config."""
    hints = typing.get_type_hints(config)
    parents = [parent for parent in reversed(config.__mro__) if dataclasses.is_dataclass(parent)]
    described = {
        field.arg_name: field.description
        for parent in parents
        for field in docstring_parser.parse_from_object(parent).params
        if field.description is not None
    }
    return [(field.name, hints[field.name], described.get(field.name)) for field in dataclasses.fields(config)]


def _changed(start: Any, fields: Mapping[Any, Any]) -> Any:
    return start(**fields) if isinstance(start, type) else dataclasses.replace(start, **fields)


def _shown(default: object) -> str | bool:
    """How the help shows a default value; False: not at all."""
    if default is True:
        return "on"
    hidden = default is False or default == "" or not isinstance(default, (int, float, str))
    return False if hidden else str(default)


def _plain(value: Any) -> Any:
    """What YAML writes for a value."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
