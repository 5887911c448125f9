"""Exact repetition: seeds that depend on the step alone, and deterministic algorithms for a while."""

import contextlib
import os
import warnings
from collections.abc import Iterator

import numpy as np
import torch

#: cuBLAS repeats its results only with workspaces of a fixed size.
_CUBLAS_VARIABLE, _CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"


def seed_step(seed: int, epoch: int, step: int, rank: int) -> None:
    """Seeds dropout and feature noise, so that a resumed run draws what the whole run would have drawn."""
    (value,) = np.random.SeedSequence([seed, epoch, step, rank]).generate_state(1)
    torch.manual_seed(int(value))


@contextlib.contextmanager
def deterministic_algorithms(device: torch.device) -> Iterator[None]:
    """Uses deterministic algorithms inside the context, and leaves torch's settings as they were.

    Args:
        device: on the CPU all algorithms are deterministic; elsewhere those that have a deterministic form.
    """
    flags = torch.utils.deterministic
    warn_only = device.type != "cpu"
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fill = flags.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=warn_only)
    flags.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # it costs time and decides nothing
    try:
        with _on_accelerators() if warn_only else contextlib.nullcontext():
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        flags.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


@contextlib.contextmanager
def _on_accelerators() -> Iterator[None]:
    """Fixes cuBLAS's workspace, and drops torch's warning about algorithms that have no deterministic form."""
    before = os.environ.get(_CUBLAS_VARIABLE)
    os.environ[_CUBLAS_VARIABLE] = before or _CUBLAS_WORKSPACE
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation")
            yield
    finally:
        if before is None:
            del os.environ[_CUBLAS_VARIABLE]
