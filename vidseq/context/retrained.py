"""Trains one model per context length, which shows how much past a task needs rather than what one model uses."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vidseq.data.dataset import Dataset
from vidseq.errors import UserError
from vidseq.evaluation.contexts import Context
from vidseq.evaluation.run_description import training_of
from vidseq.features.store import FeatureStore
from vidseq.training import fit
from vidseq.training.config import TrainConfig

#: The folder of these runs, beside a sweep's rows.
RETRAINED = "retrained"


def config_at(training: Mapping[str, Any], context: Context, seed: int) -> TrainConfig:
    """Returns a run's training config with another context length and seed.

    Args:
        training: the training options of the run.
        context: the context of every query in training and validation.
        seed: seed of the new model.

    Raises:
        UserError: the context leaves frames out, so it is not a length.
    """
    if context.every != 1:
        raise UserError(f"Retraining expects contexts that are lengths, got {context.name}. Use the mode density.")
    config = TrainConfig(**training)
    if context.frames is None and math.isinf(context.seconds):
        config = dataclasses.replace(config, full_context=1.0, max_clip_seconds=None)
    seconds = context.seconds if math.isfinite(context.seconds) else None
    return dataclasses.replace(config, seed=seed, context_seconds=seconds, context_frames=context.frames)


def retrain(dataset: Dataset, store: FeatureStore, run: Path, context: Context, seed: int, out: Path) -> Path:
    """Trains a model at one context length with a run's config, or resumes its training.

    Args:
        dataset: the data set.
        store: features of its videos.
        run: folder of the run whose config is used.
        context: the context length.
        seed: seed of the new model.
        out: folder of the new run.

    Returns:
        `out`.

    Raises:
        UserError: `run` is not the folder of a run.
    """
    training = training_of(run)
    if not training:
        raise UserError(f"Retraining expects the folder of a run with its config.yaml, got '{run}'.")
    return fit(dataset, store, config_at(training, context, seed), out, resume=True)


def retrained_folder(out: Path, run: str, context: Context, seed: int) -> Path:
    """Returns the folder of the model of one context length."""
    return out / RETRAINED / run / f"{context.name}-seed{seed}"


def lengths_only(contexts: Sequence[Context]) -> list[Context]:
    """Returns the contexts that are lengths, at which a model can be trained."""
    return [context for context in contexts if context.every == 1]
