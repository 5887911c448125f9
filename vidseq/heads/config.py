"""Options of heads: how a Config declares them, and how they are checked."""

import dataclasses
import typing
from dataclasses import dataclass
from typing import Any

from vidseq.errors import UserError


def option(default: Any, *, at_least: float | None = None, at_most: float | None = None) -> Any:
    """Declares a field of a head's Config and the values that it accepts.

    Args:
        default: value of the field when it is not given.
        at_least: smallest value allowed; None: no limit.
        at_most: largest value allowed; None: no limit.

    Returns:
        the dataclass field.
    """
    return dataclasses.field(default=default, metadata={"at_least": at_least, "at_most": at_most})


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Options that every head has."""

    dim: int = dataclasses.field(metadata={"at_least": 1})
    """Width D of input and output."""
    causal: bool = True
    """True: an output depends on its own frame and the past. False: offline labelling, with `forward` only."""
    dropout: float = option(0.0, at_least=0, at_most=1)
    """Share of each layer's output that is dropped in training."""


def check_options(head: str, config: HeadConfig) -> None:
    """Checks types and ranges of a head's options.

    Raises:
        UserError: the first option that does not fit.
    """
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, hint = getattr(config, field.name), hints[field.name]
        if not _is_a(value, hint):
            raise UserError(f"{head} head expects {field.name} as {hint.__name__}, got {value!r}.")
        low, high = field.metadata.get("at_least"), field.metadata.get("at_most")
        if low is not None and not value >= low:
            raise UserError(f"{head} head expects {field.name} of at least {low}, got {value}.")
        if high is not None and not value <= high:
            raise UserError(f"{head} head expects {field.name} of at most {high}, got {value}.")


def _is_a(value: object, hint: type) -> bool:
    """Like isinstance, but accepts an int as a float and does not accept a bool as a number."""
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)
