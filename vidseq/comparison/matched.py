"""Finds the width at which a model with a head has the number of parameters of another model."""

import dataclasses
from functools import lru_cache

from vidseq.analysis.budget import match_size
from vidseq.comparison.compare import parameters_outside
from vidseq.data.dataset import Dataset
from vidseq.features.store import FeatureStore
from vidseq.heads import make_head, num_parameters
from vidseq.training.config import ResolvedConfig, TrainConfig


def equal_size(
    head: str, config: TrainConfig, dataset: Dataset, store: FeatureStore, *, frames: int
) -> tuple[ResolvedConfig, int]:
    """Returns the training config of a head whose whole model has the number of parameters of the given config's
    model.

    Args:
        head: name of the head; the config's own head keeps its width.
        config: the training config.
        dataset: the data set, whose classes determine the decoders.
        store: the features, whose width determines the projection.
        frames: see `match_size`.

    Returns:
        the config for the head, and the number of parameters of its model.

    Raises:
        UserError: the head is unknown, or no width comes near that number.
    """
    full = config.resolved()
    outside = lru_cache(parameters_outside(dataset, store, full))
    budget = num_parameters(make_head(full.head, full.dim, full.head_options)) + outside(full.dim)
    if head == full.head:
        return full, int(budget)
    size = match_size(head, "params", budget, frames=frames, outside=outside)
    return dataclasses.replace(full, head=head, dim=size.dim, head_options=dict(size.options)), int(size.value)
