"""Heads as large as another one, with all that enters and leaves them."""

import dataclasses
from functools import lru_cache

from vidseq.analysis.budget import match_size
from vidseq.comparison.compare import parameters_outside
from vidseq.data.dataset import Dataset
from vidseq.features.store import FeatureStore
from vidseq.heads import make_head, num_parameters
from vidseq.training.config import TrainConfig


def equal_size(
    head: str, config: TrainConfig, dataset: Dataset, store: FeatureStore, *, frames: int
) -> tuple[TrainConfig, int]:
    """How a head is trained: with as many parameters in the whole model as the model of the settings has.

    Args:
        head: its name; the settings' own stays as it is.
        config: the settings.
        dataset: its classes count.
        store: the width of its features counts.
        frames: see `match_size`.

    Returns:
        the settings for it, and how many parameters its model has, as near as widths allow.

    Raises:
        UserError: an unknown head, or no width comes near.
    """
    outside = lru_cache(parameters_outside(dataset, store, config))
    budget = num_parameters(make_head(config.head, config.dim, config.head_options)) + outside(config.dim)
    if head == config.head:
        return config, int(budget)
    size = match_size(head, "params", budget, frames=frames, outside=outside)
    return dataclasses.replace(config, head=head, dim=size.dim, head_options=dict(size.options)), int(size.value)
