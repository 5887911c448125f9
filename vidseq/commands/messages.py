"""What a user reads about a mistake: one line, with the nearest name."""

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path

from cyclopts import (
    App,
    Argument,
    ArgumentOrderError,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    Token,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from vidseq.commands.values import expected
from vidseq.errors import unknown_name
from vidseq.files import why_not_written


def message(error: Exception, app: App) -> str:
    """The line for an error.

    Args:
        error: a mistake on the command line, or what a command raised.
        app: the whole command, with its common options.
    """
    match error:
        case UnknownOptionError():
            return _unknown_option(error, app, error.token, error.argument_collection)
        case UnknownCommandError(unused_tokens=[word, *_]) | UnusedCliTokensError(unused_tokens=[word, *_]):
            return _unknown_word(error, app, word)
        case CoercionError():
            return _wrong_value(error)
        case MissingArgumentError():
            return _missing(error, app)
        case ArgumentOrderError():
            first = error.prior_positional_or_keyword_supplied_as_keyword_arguments[0]
            assert error.argument is not None
            return f"After {first.name}, '{error.token}' needs a name, too. Write {error.argument.name} {error.token}."
        case CycloptsError():
            return " ".join(str(error).split())
        case OSError() if reason := why_not_written(error):
            return reason
        case OSError(errno=errno.ENOTDIR, strerror=reason, filename=str(name)):
            return f"{name}: {reason}. A part of this path is a file. Name another place."
        case OSError(errno=errno.EEXIST | errno.ELOOP | errno.ENAMETOOLONG, strerror=reason, filename=str(name)):
            return f"{name} cannot be made: {reason}. Name another place."
        case OSError(strerror=str(reason), filename=name) if name:
            return f"{reason}: {name}"
    if is_lack_of_memory(error):
        reason = " ".join(str(error).split())[:200] or "it is used up"
        return f"There is not enough memory: {reason}. Close other programs, or work on less at once."
    return str(error)


def is_lack_of_memory(error: Exception) -> bool:
    """Whether there is not enough memory, which torch says in words alone."""
    words = ("can't allocate memory", "out of memory", "not enough memory")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(w in str(error) for w in words))


def _unknown_option(error: CycloptsError, app: App, token: Token, options: Iterable[Argument]) -> str:
    word, where = (token.keyword or token.value).split("=")[0], ""
    if Path(token.value or word).exists():
        name = token.value or word
        return f"'{name}' begins with a dash, as options do. Write ./{name} for the file."
    names = [name for option in options for name in option.names if option.parse]
    if token.source in ("", "cli"):
        names += _common(app)
    else:
        where, word = f" in {token.source}", ".".join(word.strip("[]").split("]["))
        names = [name.lstrip("-") for name in names]
    return f"Unknown option '{word}'{where}.{_nearest(word, names)} {_help(error, app)}"


def _nearest(word: str, names: Iterable[str]) -> str:
    """Asks for the name that is nearest to a word, where one is near; dashes and underscores mean the same."""
    by_spelling = {name.replace("_", "-"): name for name in names}
    near = difflib.get_close_matches(word.replace("_", "-"), by_spelling, n=1)
    return f" Did you mean '{by_spelling[near[0]]}'?" if near else ""


def _unknown_word(error: CycloptsError, app: App, word: str) -> str:
    known = [] if error.app is None else [name for name in error.app if not name.startswith("-")]
    if word.startswith("--"):
        options = error.app.assemble_argument_collection() if error.app and error.app.default_command else []
        return _unknown_option(error, app, Token(value=word), options)
    if known and "convert" in (error.command_chain or ()):
        return str(unknown_name("layout", word, known))
    if known:
        return f"{unknown_name('command', word, known)} `{_called(error, app)} --help` says what each does."
    return f"`{_called(error, app)}` expects no further word, got '{word}'. Name options, as in --option={word}."


def _common(app: App) -> list[str]:
    """Names of the options that every command has."""
    arguments = app.meta.assemble_argument_collection()
    return [*(name for argument in arguments for name in argument.names), *app.help_flags, *app.version_flags]


def _wrong_value(error: CoercionError) -> str:
    if error.argument is None or error.token is None:
        return " ".join(str(error).split())
    token = error.token
    where = "" if token.source in ("", "cli") else f" in {token.source}"
    value = f"'{token.value}'" if token.value.strip() else "nothing"
    near = _nearest(token.value, error.argument.get_choices(force=True) or ())
    return f"Option {error.argument.name}{where} expects {expected(error.argument.hint)}, got {value}.{near}"


def _missing(error: MissingArgumentError, app: App) -> str:
    assert error.argument is not None
    if error.keyword is not None:
        return f"Option {error.keyword} expects {expected(error.argument.hint)}, got nothing."
    if error.unused_tokens:  # rather what is misspelt than what lacks because of that
        return _unknown_word(error, app, error.unused_tokens[0])
    called = _called(error, app)
    return f"`{called}` expects {error.argument.name}, got nothing. `{called} --help` says what it is."


def _help(error: CycloptsError, app: App) -> str:
    return f"`{_called(error, app)} --help` lists all of them."


def _called(error: CycloptsError, app: App) -> str:
    """The words that call the command."""
    return " ".join([app.name[0], *(error.command_chain or ())])
