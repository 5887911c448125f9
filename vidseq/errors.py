"""Errors for users: each has one message that states what was expected, what was given, and the fix."""

import difflib
import re
from collections.abc import Iterable


class UserError(ValueError):
    """A user's mistake or a bad input. The command line prints only its message and exits with 2."""


class VideoError(UserError):
    """A video file that cannot be read completely."""


class DataError(UserError):
    """An error in a data set; the message names the file and the row."""


class FingerprintError(UserError):
    """Features that were made in another way than the expected ones; the message names the field."""


class ModelError(UserError):
    """A model folder that cannot be loaded."""


def unknown_name(kind: str, value: str, known: Iterable[str]) -> UserError:
    """Makes the error for an unknown name; the message suggests the nearest known name.

    Args:
        kind: what the name should name, such as "head".
        value: the unknown name.
        known: all known names.

    Returns:
        the error, for the caller to raise.
    """
    names = sorted(known)
    near = difflib.get_close_matches(value, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UserError(f"Unknown {kind} '{value}'.{hint} Known {_several(kind)}: {', '.join(names) or '(none)'}.")


def _several(kind: str) -> str:
    """Returns the plural: "families" for "family", "tasks of this model" for "task of this model"."""
    thing, of, whole = kind.partition(" of ")
    thing = re.sub(r"(?<![aeou])y$", "ie", thing)
    return f"{thing}{'es' if thing.endswith(('ch', 'sh', 's', 'x')) else 's'}{of}{whole}"


def missing_package(who: str, package: str, extra: str) -> UserError:
    """Makes the error for a package that comes with an extra of vidseq.

    Args:
        who: what needs it, such as "A hub".
        package: name of the package.
        extra: name of the extra.

    Returns:
        the error, for the caller to raise.
    """
    return UserError(f"{who} expects the package {package}, got none. Run `pip install 'vidseq[{extra}]'`.")
