"""Which device to run on, and how much of it to take."""

import os

import torch

from vidseq.errors import UserError


def one_thread() -> None:
    """Lets processes that run side by side use one core each; for a process pool's `initializer`."""
    torch.set_num_threads(1)


def num_cpus() -> int:
    """How many CPUs this process may use, where the system tells; else how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_device(name: str = "auto") -> torch.device:
    """Turns a device name into a device that exists here.

    Args:
        name: "auto" (CUDA if there is one, else MPS, else CPU), or any torch name such as "cpu" or "cuda:0".

    Raises:
        UserError: the device does not exist here, or the name is none.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"Device '{name}' cannot be used here: {reason}. Use auto, cpu, cuda:0 or mps.") from error
    return device
