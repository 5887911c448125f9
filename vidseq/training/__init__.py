"""Training: the library's only training loop."""

from vidseq.training.fit import fit
from vidseq.training_config import TrainConfig

__all__ = ["TrainConfig", "fit"]
