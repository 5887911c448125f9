"""`fit`: trains a model on a data set."""

import contextlib
import functools
import multiprocessing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from vidseq.data.dataset import Dataset
from vidseq.device import choose_device
from vidseq.features.store import FeatureStore
from vidseq.model import VideoReasoner
from vidseq.training.build import build_model, fit_statistics
from vidseq.training.clips import ClipDataset, make_clip_dataset
from vidseq.training.config import TrainConfig
from vidseq.training.fabric import make_fabric
from vidseq.training.loop import NonFiniteLossError, TrainingLoop
from vidseq.training.run_folder import RunFolder
from vidseq.training.schedule import Schedule
from vidseq.training.state import TrainingState


def fit(dataset: Dataset, store: FeatureStore, config: TrainConfig, out: Path | str, *, resume: bool = False) -> Path:
    """Trains a model on the split "train" and keeps the one that does best on "val"; never reads "test".

    Args:
        dataset: the videos, labels and queries to learn.
        store: the features of its videos.
        config: the training options.
        out: the run's folder, made if it is missing.
        resume: continue the run in that folder from where it stopped. If there is none, it is started; a finished
            one stays as it is.

    Returns:
        the run's folder: `checkpoints/best`, `checkpoints/last`, `metrics.csv`, ...; without a split "val" the best
        is the last.

    Raises:
        UserError: unknown names, options that do not fit, a folder that holds another run, a loss that is not finite.
        DataError: the data set has nothing to learn, or features are missing.
    """
    device = choose_device(config.device)
    folder = RunFolder(Path(out))
    model = build_model(dataset, store, config)
    train = make_clip_dataset(dataset, store, "train", model)
    fit_statistics(model, train)
    about = {
        "dataset": dataset.info.name,
        "features": store.fingerprint.name,
        "observations": dataset.info.observations,
    }
    folder.start(config, about, resume=resume)
    saved = folder.load_progress() if resume else None
    if not Schedule(config, len(train.videos)).is_finished(TrainingState.from_saved(saved)):
        val = _validation_clips(dataset, store, model)
        run = functools.partial(_run_loop, config=config, train=train, val=val, folder=folder, saved=saved)
        with torch.random.fork_rng(devices=[]), _no_process_left():
            error = make_fabric(config, device).launch(run, model)
        if error is not None:
            raise error
    return folder.path


def _validation_clips(dataset: Dataset, store: FeatureStore, model: VideoReasoner) -> ClipDataset | None:
    if "val" not in dataset.info.splits or not dataset.split("val"):
        return None
    clip_dataset = make_clip_dataset(dataset, store, "val", model)
    return clip_dataset if clip_dataset.videos else None


def _run_loop(
    fabric: Fabric,
    model: VideoReasoner,
    *,
    config: TrainConfig,
    train: ClipDataset,
    val: ClipDataset | None,
    folder: RunFolder,
    saved: Mapping[str, Any] | None,
) -> NonFiniteLossError | None:
    """Trains in this process. `model` is an argument of its own, since Fabric copies it for each spawned process.

    Returns:
        an error that all processes share; an error that a spawned process raises would lose its class.
    """
    try:
        TrainingLoop(fabric, model, config, train, val, folder, saved).fit()
    except NonFiniteLossError as error:
        return error
    return None


@contextlib.contextmanager
def _no_process_left() -> Iterator[None]:
    """Ends the processes started inside the context if it is left by an error, such as Ctrl-C."""
    before = set(multiprocessing.active_children())
    try:
        yield
    finally:
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
            process.join()
