"""What a run's own files say of how it was trained, and so of what its curve means."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vidseq.errors import UserError
from vidseq.evaluation.rows import Run
from vidseq.model import VideoReasoner


def describe_run(folder: Path, model: VideoReasoner) -> Run:
    """What rows say of a model: the run's name and seed, where the folder is a run's, the head, and the mode.

    The mode is "given" where training showed random context lengths, and "truncated" where it showed one length alone
    or where nothing is known of it.
    """
    root, training = run_root(folder), training_of(folder)
    mode = "given" if _random_lengths(training) else "truncated"
    return Run(run=root.name, head=model.config.head, seed=int(training.get("seed", 0)), mode=mode)


def run_root(folder: Path) -> Path:
    """The folder of the run that a model's folder belongs to; the folder itself where it belongs to none."""
    root = folder.resolve()
    return root.parent.parent if root.parent.name == "checkpoints" else root


def training_of(folder: Path) -> Mapping[str, Any]:
    """The options that a run was trained with; empty where the folder is no run's."""
    config = run_root(folder) / "config.yaml"
    written = yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else {}
    return written.get("training", {})


def trained_seconds(folder: Path) -> float:
    """The longest context that a run has seen in training; infinite for all there was.

    Raises:
        UserError: the folder is no run's.
    """
    training = training_of(folder)
    if not training:
        raise UserError(
            f"How a model was trained stands in a run's config.yaml, got none in '{folder}'. Name the run."
        )
    limits = [training.get("context_seconds"), training.get("max_clip_seconds")]
    return min((float(limit) for limit in limits if limit is not None), default=math.inf)


def _random_lengths(training: Mapping[str, Any]) -> bool:
    lengths = [training.get("context_seconds"), training.get("context_frames")]
    return bool(training) and lengths == [None, None] and float(training["full_context"]) < 1
