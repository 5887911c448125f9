"""Chooses the device to run on."""

import torch

from vidseq.errors import UserError


def choose_device(name: str = "auto") -> torch.device:
    """Turns a device name into a device that exists here.

    Args:
        name: "auto" (CUDA if there is one, else MPS, else CPU), or any torch name such as "cpu" or "cuda:0".

    Raises:
        UserError: torch does not know the name, or the device does not exist here.
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


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies numbers of 16 bits (bfloat16) faster than those of 32.

    A CPU without instructions for it takes a hundred times as long.
    """
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
