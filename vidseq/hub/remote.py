"""The client of the hub, and its errors as one line each. Nothing here goes online by itself."""

import contextlib
import importlib
import re
import sys
import types
from collections.abc import Iterator

from vidseq.errors import UserError, missing_package

#: How a user shows who they are.
LOG_IN = "Log in with `hf auth login`, or set HF_TOKEN."


def client() -> types.ModuleType:
    """Imports huggingface_hub; its progress bars are for terminals.

    Raises:
        UserError: it is not installed.
    """
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError:
        raise missing_package("A hub", "huggingface_hub", "hub") from None
    if not sys.stderr.isatty() and hub.constants.HF_HUB_DISABLE_PROGRESS_BARS is None:
        hub.utils.disable_progress_bars()
    return hub


def check_name(repository: str) -> None:
    """Refuses what is no name of a repository.

    Raises:
        UserError: it does not consist of an owner and a name.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII):
        raise UserError(f"A hub expects a repository such as 'someone/lstm', got '{repository}'.")


@contextlib.contextmanager
def hub_errors(repository: str) -> Iterator[None]:
    """Turns what the client raises into one line.

    Args:
        repository: owner and name, for the line.

    Raises:
        UserError: there is no such repository, no access, no connection, or the hub refused what it got.
    """
    errors = importlib.import_module("huggingface_hub.errors")
    base = errors.HfHubHTTPError.__bases__[0]  # of its library for HTTP, which changes between versions
    try:
        yield
    except UserError:
        raise
    except errors.GatedRepoError:
        raise UserError(
            f"A hub expects that the owner of '{repository}' lets you in, got a refusal. Ask on its page."
        ) from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"A hub expects a repository that is there and that you may read, got '{repository}'. Correct the name; "
            f"if it is private: {LOG_IN}"
        ) from None
    except errors.RevisionNotFoundError:
        raise UserError(f"A hub expects a revision of '{repository}', got one that is not there.") from None
    except (errors.LocalTokenNotFoundError, errors.HFValidationError) as error:
        raise UserError(f"A hub refuses '{repository}': {_line(error)}") from None
    except (errors.HfHubHTTPError, errors.EntryNotFoundError) as error:
        raise UserError(_refused(repository, error)) from None
    except (base, ConnectionError, TimeoutError) as error:
        raise UserError(
            f"A hub expects a connection, got none for '{repository}' ({_line(error)}). Try again when online."
        ) from None
    except ValueError as error:  # such as a header of the card that the hub does not accept
        raise UserError(f"The hub refuses '{repository}': {_line(error)}") from None
    except (RuntimeError, OSError) as error:  # of an upload, or of a file that came in part
        if getattr(error, "errno", None) is not None:  # of this machine's disk
            raise
        raise UserError(_refused(repository, error.__cause__ or error)) from None


def _refused(repository: str, error: BaseException) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"A hub expects a token that may do this to '{repository}', got none or another ({status}). {LOG_IN}"
    return f"The hub refuses '{repository}': {_line(error)}"


def _line(error: BaseException) -> str:
    """An error's message as one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
