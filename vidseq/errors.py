"""Errors meant for users: one clear message each, which says what was expected, what came, how to fix it."""

import difflib
import re
from collections.abc import Iterable


class UserError(ValueError):
    """A user's mistake or a bad input. The command line prints its message alone and exits with 2."""


class VideoError(UserError):
    """A video file that cannot be read, or not in full."""


class DataError(UserError):
    """A data set that breaks its format; names the file and the row."""


class FingerprintError(UserError):
    """Features that were made in another way than the ones asked for; names the field."""


class ModelError(UserError):
    """A model folder that cannot be loaded."""


def unknown_name(kind: str, value: str, known: Iterable[str]) -> UserError:
    """Makes the error for a name that does not exist, the nearest known name first.

    Args:
        kind: what the name should have named, such as "head".
        value: the name that came.
        known: all names that would have done.

    Returns:
        the error, to be raised by the caller.
    """
    names = sorted(known)
    near = difflib.get_close_matches(value, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UserError(f"Unknown {kind} '{value}'.{hint} Known {_several(kind)}: {', '.join(names) or '(none)'}.")


def _several(kind: str) -> str:
    """ "families" of "family", "tasks of this model" of "task of this model"."""
    thing, of, whole = kind.partition(" of ")
    thing = re.sub(r"(?<![aeou])y$", "ie", thing)
    return f"{thing}{'es' if thing.endswith(('ch', 'sh', 's', 'x')) else 's'}{of}{whole}"
