"""Reads from a run's files how its model was trained, and so what its context curve means."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from vidseq.errors import DataError, UserError
from vidseq.evaluation.rows import Run
from vidseq.model import VideoReasoner
from vidseq.pretrained import pretrained_models


def describe_run(folder: Path, model: VideoReasoner) -> Run:
    """Returns a model's entries in the rows: the name and seed of its run, its head, and the mode.

    A model that ships with vidseq has its name in place of its head: that is what it was asked for by.

    The mode is "given" if training showed random context lengths. It is "truncated" if training showed one length, or
    if nothing is known about the training.
    """
    root, training = run_root(folder), training_of(folder)
    mode = "given" if _random_lengths(training) else "truncated"
    shipped = not folder.exists() and str(folder) in pretrained_models()
    head = root.name if shipped else model.config.head
    return Run(run=root.name, head=head, seed=int(training.get("seed", 0)), mode=mode)


def run_root(folder: Path) -> Path:
    """Returns the run's folder that holds a model's folder; the folder itself if there is no run."""
    root = folder.resolve()
    return root.parent.parent if root.parent.name == "checkpoints" else root


def check_names(folders: Iterable[Path | str], who: str) -> None:
    """Refuses runs of one name, whose rows would be one run's.

    Args:
        folders: of runs or models.
        who: what reads them, such as "A sweep".

    Raises:
        UserError: a name stands twice.
    """
    for name, count in Counter(run_root(Path(folder)).name for folder in folders).items():
        if count > 1:
            raise UserError(f"{who} expects runs of different names, got '{name}' twice. Rename one's folder.")


def training_of(folder: Path) -> Mapping[str, Any]:
    """Returns the training options of a run; {} if the folder belongs to no run.

    Raises:
        DataError: the run's options cannot be read.
    """
    config = run_root(folder) / "config.yaml"
    try:
        written = yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else {}
        training: Mapping[str, Any] = dict(written.get("training", {}))
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"A run expects its options as YAML in {config}, got others ({reason}).") from None
    return training


def trained_seconds(folder: Path) -> float:
    """Returns the longest context of a run's training, in seconds; infinite if it had no limit.

    Raises:
        UserError: the folder belongs to no run.
    """
    training = training_of(folder)
    if not training:
        raise UserError(
            f"Extrapolation expects a run's folder with config.yaml, got none in '{folder}'. Name the run."
        )
    limits = [training.get("context_seconds"), training.get("max_clip_seconds")]
    return min((float(limit) for limit in limits if limit is not None), default=math.inf)


def _random_lengths(training: Mapping[str, Any]) -> bool:
    lengths = [training.get("context_seconds"), training.get("context_frames")]
    return bool(training) and lengths == [None, None] and float(training["full_context"]) < 1
