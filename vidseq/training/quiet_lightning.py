"""Lightning without its tips, and without what it leaves changed in the process."""

import contextlib
import logging
import signal
import threading
import warnings
from collections.abc import Iterator

import torch

_LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric")


def silence() -> None:
    """Keeps Lightning's tips to itself; errors are errors still."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence for a while."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    with warnings.catch_warnings():
        silence()
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Undoes what Lightning changes for the whole process: torch's determinism and the reaction to Ctrl-C."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # it costs time alone
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = filling  # type: ignore[attr-defined]
        if main:
            signal.signal(signal.SIGINT, handler)
