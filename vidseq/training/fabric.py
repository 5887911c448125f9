"""Lightning Fabric for training: device, precision and processes."""

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import Precision
from lightning_fabric.plugins.environments import LightningEnvironment

from vidseq.device import computes_bfloat16
from vidseq.errors import UserError
from vidseq.training.config import TrainConfig

# Fabric announces each process that joins. This module is imported in those processes too.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


class StepPrecision(Precision):
    """Precision of a step, from the batch to the loss.

    Fabric's own bf16-mixed rounds the batch, too, and casts each weight once a step, which adds the gradients of its
    uses up in bfloat16. Here features stay float32, and so do those sums.

    Args:
        precision: "32-true" or "bf16-mixed".
        device: its type is what autocast is for.
    """

    def __init__(self, precision: str, device: torch.device) -> None:
        self.precision = precision  # type: ignore[assignment]  # TrainConfig checks it
        self._device_type = device.type

    def forward_context(self) -> AbstractContextManager[Any]:
        """The context in which the model runs and losses are computed."""
        if self.precision == "32-true":
            return nullcontext()
        return torch.autocast(self._device_type, dtype=torch.bfloat16, cache_enabled=False)


def choose_precision(name: str, device: torch.device) -> str:
    """Turns a precision into one that a device computes fast.

    Args:
        name: "32-true", "bf16-mixed", or "auto", which is the second where it is fast, and else the first.
        device: where to train.

    Raises:
        UserError: the device has no fast bfloat16.
    """
    if name == "32-true":
        return name
    fast = computes_bfloat16(device)
    if name == "bf16-mixed" and not fast:
        raise UserError(
            f"Precision bf16-mixed expects a device with instructions for bfloat16, got a {device.type} without: a "
            "step would take a hundred times as long. Use precision auto or 32-true."
        )
    return "bf16-mixed" if fast else "32-true"


def make_fabric(config: TrainConfig, device: torch.device) -> Fabric:
    """Makes the Fabric that a config asks for.

    Args:
        config: precision, processes and strategy.
        device: what `choose_device` chose.

    Raises:
        UserError: see `choose_precision`.
    """
    plugins: list[Any] = [StepPrecision(choose_precision(config.precision, device), device)]
    strategy = config.strategy
    if strategy == "auto":
        strategy = "ddp_spawn" if config.devices > 1 else "auto"
        plugins.append(LightningEnvironment())  # the processes are ours, also where a cluster would offer its own
    return Fabric(
        accelerator=device.type,
        devices=config.devices if config.devices > 1 or device.index is None else [device.index],
        strategy=strategy,
        plugins=plugins,
    )
