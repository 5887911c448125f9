"""The optimizer of a training run."""

import torch
from torch import Tensor, nn

from vidseq.training.config import TrainConfig


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Makes an AdamW whose weight decay leaves out vectors (biases, norms, standing queries) and word embeddings.

    Frozen parameters are left out.

    Args:
        model: its parameters are on the device on which it trains.
        config: learning rate and weight decay.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for parameter in model.parameters():
        if not parameter.requires_grad:
            continue
        (free if parameter.ndim < 2 or id(parameter) in embeddings else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.lr)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Sets the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr
