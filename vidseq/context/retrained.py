"""A model a context length: what a task needs, beside what one model uses."""

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
    """The run's own config, but for one context length and a seed.

    Args:
        training: the options of the run.
        context: what every query of training and validation sees.
        seed: of the new model.

    Raises:
        UserError: a context that leaves frames out, which is no length.
    """
    if context.every != 1:
        raise UserError(f"Retraining expects contexts that are lengths, got {context.name}. Use the mode density.")
    config = TrainConfig(**training)
    if context.frames is None and math.isinf(context.seconds):
        config = dataclasses.replace(config, full_context=1.0, max_clip_seconds=None)
    seconds = context.seconds if math.isfinite(context.seconds) else None
    return dataclasses.replace(config, seed=seed, context_seconds=seconds, context_frames=context.frames)


def retrain(dataset: Dataset, store: FeatureStore, run: Path, context: Context, seed: int, out: Path) -> Path:
    """Trains a model at one context length as a run was trained, or goes on with it.

    Args:
        dataset: what to learn.
        store: its features.
        run: the run whose config is taken.
        context: the length.
        seed: of the new model.
        out: folder of the new run.

    Returns:
        `out`.

    Raises:
        UserError: `run` is no run's folder.
    """
    training = training_of(run)
    if not training:
        raise UserError(f"Retraining expects the folder of a run with its config.yaml, got '{run}'.")
    return fit(dataset, store, config_at(training, context, seed), out, resume=True)


def retrained_folder(out: Path, run: str, context: Context, seed: int) -> Path:
    """Where the model of one length is kept."""
    return out / RETRAINED / run / f"{context.name}-seed{seed}"


def lengths_only(contexts: Sequence[Context]) -> list[Context]:
    """The contexts that a model can be trained at."""
    return [context for context in contexts if context.every == 1]
