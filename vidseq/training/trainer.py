"""`fit`: trains a model on a data set."""

import contextlib
import functools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from vidseq.claims import held
from vidseq.data.consistency import refuse_repeated_questions
from vidseq.data.dataset import Dataset
from vidseq.device import choose_device
from vidseq.errors import ModelError
from vidseq.features.store import FeatureStore
from vidseq.model import VideoReasoner
from vidseq.training.build import build_model, fit_statistics
from vidseq.training.calibration import calibrate_best
from vidseq.training.clips import ClipDataset, make_clip_dataset
from vidseq.training.config import TrainConfig
from vidseq.training.decoding_choice import choose_decodings
from vidseq.training.fabric import make_fabric
from vidseq.training.loggers import check_loggers
from vidseq.training.loop import NonFiniteLossError, TrainingLoop
from vidseq.training.optimizer import make_optimizer
from vidseq.training.overfitting import compare_splits, read_fits
from vidseq.training.question_sources import open_question_source
from vidseq.training.rules import derive
from vidseq.training.run_folder import EXPLAINED, RunFolder
from vidseq.training.schedule import Schedule
from vidseq.training.state import TrainingState
from vidseq.training.warm_start import freeze, start_from

#: How long a spawned process may take to end after Ctrl-C, before it is killed.
SECONDS_TO_END = 10
#: Where Fabric notes the port at which its processes meet. A later run needs one of its own.
PORT_VARIABLE = "MASTER_PORT"


def fit(
    dataset: Dataset,
    store: FeatureStore,
    config: TrainConfig,
    out: Path | str,
    *,
    resume: bool = False,
    report: Callable[[str], None] | None = None,
) -> Path:
    """Trains a model on the split "train" and keeps the one that does best on "val"; never reads "test".

    In the end, the probabilities of the best model are calibrated on "val" (see `vidseq.tasks.calibration`), and the
    decoding is chosen that makes segments of frame labels best (see `vidseq.training.decoding_choice`).

    Args:
        dataset: the videos, labels and queries to learn.
        store: the features of its videos.
        config: the training options; those left out follow from the training labels, see `vidseq.training.rules`.
        out: the run's folder, made if it is missing.
        resume: continue the run in that folder from where it stopped. If there is none, it is started; a finished
            one stays as it is.
        report: called with each line that a user should read, such as an option and why it has its value.

    Returns:
        the run's folder: `checkpoints/best`, `checkpoints/last`, `metrics.csv`, ...; without a split "val" the best
        is the last.

    Raises:
        UserError: unknown names, options that do not fit, a folder that holds another run, a loss that is not finite,
            a question that is asked twice of a video at one time, a logger whose package is missing.
        DataError: the data set has nothing to learn, or features are missing.
        ModelError: the run to resume is damaged, or is of another version.
    """
    refuse_repeated_questions(dataset.queries, "Training")
    check_loggers(config.loggers)
    fabric = make_fabric(config, choose_device(config.device))
    folder = RunFolder(Path(out))
    derived = derive(dataset, store, config)
    config = derived.config
    source = open_question_source(dataset) if config.drawn_questions else None
    model = build_model(dataset, store, config, source)
    fresh = start_from(model, *config.starts)
    freeze(model, config.frozen_parts)
    train = make_clip_dataset(dataset, store, "train", model, source)
    fit_statistics(model, train)
    _print_notes(model, train)
    about: dict[str, Any] = {
        "dataset": dataset.info.name,
        "features": store.fingerprint.name,
        "observations": dataset.info.observations,
    }
    if config.start:
        about["not_in_start"] = ", ".join(fresh)
    if derived.reasons:
        about[EXPLAINED] = list(derived.reasons)
    with held(folder.path, "Training"):
        folder.start(config, about, resume=resume)
        if report is not None:
            for reason in derived.reasons:
                report(reason)
        saved = folder.load_progress() if resume else None
        if saved is not None:
            _check_fits(saved, model, config, folder)
        val = _validation_clips(dataset, store, model)
        is_trained = Schedule(config, len(train.videos)).is_finished(TrainingState.from_saved(saved))
        last_files = [folder.overfitting_file, folder.decodings_file, *([folder.calibration_file] if val else [])]
        has_all = all(file.is_file() for file in last_files)
        if not (is_trained and has_all):
            run = functools.partial(_run_loop, config=config, train=train, val=val, folder=folder, saved=saved)
            with torch.random.fork_rng(devices=[]), _nothing_left_behind():
                error = fabric.launch(run, model)
            if error is not None:
                raise error
        if report is not None:
            for fit_of_task in read_fits(folder):
                report(fit_of_task.text)
        return folder.path


def _print_notes(model: VideoReasoner, train: ClipDataset) -> None:
    """Prints what a user should know of the training labels, a line each."""
    dataset = train.examples.dataset
    for name in model.tasks:
        for note in model.find_task(name).notes(dataset, train.examples.videos):
            print(f"vidseq: {note}", file=sys.stderr)


def _check_fits(saved: Mapping[str, Any], model: VideoReasoner, config: TrainConfig, folder: RunFolder) -> None:
    """Refuses a run whose weights or optimizer are those of another model, before any process starts."""
    try:
        model.load_state_dict(saved["model"])
        make_optimizer(model, config).load_state_dict(saved["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"Resuming expects weights and optimizer of this model in {folder.progress_file}, got others "
            f"({reason[:120]}). Start a new run."
        ) from None


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
    if val is not None:
        calibrate_best(fabric, val, config, folder)
    compare_splits(fabric, train, val, config, folder)
    choose_decodings(fabric, train, val, config.resolved(), folder)
    return None


@contextlib.contextmanager
def _nothing_left_behind() -> Iterator[None]:
    """Ends the processes that Fabric started, if an error such as Ctrl-C comes first, and forgets their port."""
    before, port = set(multiprocessing.active_children()), os.environ.get(PORT_VARIABLE)
    try:
        yield
    finally:
        left = set(multiprocessing.active_children()) - before
        for process in left:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGINT)  # lets the process clean up
        for process in left:
            process.join(SECONDS_TO_END)
            process.kill()
        if port is None:
            os.environ.pop(PORT_VARIABLE, None)
