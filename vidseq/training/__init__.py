"""Training: the library's only training loop."""

from vidseq.training.config import TrainConfig
from vidseq.training.trainer import fit

__all__ = ["TrainConfig", "fit"]
