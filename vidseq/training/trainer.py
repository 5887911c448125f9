"""`fit`: the one way to train."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from vidseq.data.dataset import Dataset
from vidseq.device import choose_device
from vidseq.features.store import FeatureStore
from vidseq.model import VideoReasoner
from vidseq.progress import progress
from vidseq.training.build import build_model, fit_statistics
from vidseq.training.clips import ClipDataset, make_clip_dataset
from vidseq.training.config import TrainConfig
from vidseq.training.loop import Lesson
from vidseq.training.quiet_lightning import quiet, restored, silence
from vidseq.training.run_folder import RunFolder


def fit(dataset: Dataset, store: FeatureStore, config: TrainConfig, out: Path | str, *, resume: bool = False) -> Path:
    """Trains a model on the split "train" and keeps the one that does best on "val"; never looks at "test".

    Args:
        dataset: what to learn.
        store: the features of its videos.
        config: how.
        out: the run's folder, made if it is missing.
        resume: go on where a run in that folder stopped; a run that is not there is started, one that is finished
            stays as it is.

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
    lesson = Lesson(model, config, train, _validation_clips(dataset, store, model), folder, saved)
    if not lesson.finished:
        with quiet(), restored(), torch.random.fork_rng(devices=[]):
            _run(lesson, device)
    return folder.path


def _validation_clips(dataset: Dataset, store: FeatureStore, model: VideoReasoner) -> ClipDataset | None:
    if "val" not in dataset.info.splits or not dataset.split("val"):
        return None
    clip_dataset = make_clip_dataset(dataset, store, "val", model)
    return clip_dataset if clip_dataset.videos else None


def _run(lesson: Lesson, device: torch.device) -> None:
    config = lesson.config
    trainer = Trainer(
        accelerator="gpu" if device.type == "cuda" else device.type,
        devices=config.devices if config.devices > 1 or device.index is None else [device.index],
        strategy=_strategy(config),
        precision=config.precision,  # type: ignore[arg-type]  # checked by the config
        max_epochs=-1,  # the lesson says when it is over: it knows what an earlier run has done
        gradient_clip_val=config.gradient_clip or None,
        deterministic=True if device.type == "cpu" else "warn",
        reload_dataloaders_every_n_epochs=1,  # every epoch draws its own clips
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=TensorBoardLogger(lesson.folder.path, name=None, version="tensorboard"),
        callbacks=[_Silence(), _Start(), _Bar()],
    )
    try:
        trainer.fit(lesson)
    except SystemExit:  # Lightning ends the process on Ctrl-C; that is not a library's business
        raise KeyboardInterrupt from None


def _strategy(config: TrainConfig) -> str:
    return "ddp_spawn" if config.strategy == "auto" and config.devices > 1 else config.strategy


class _Start(Callback):
    """Leaves something to resume even if the first epoch does not end."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Lesson)
        if trainer.is_global_zero and not pl_module.folder.progress_file.exists():
            pl_module.save(best=False)


class _Silence(Callback):
    """Travels to spawned processes, where Lightning starts as talkative as ever, and silences it on arrival."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrive, ()


def _arrive() -> _Silence:
    silence()
    return _Silence()


class _Bar(Callback):
    """Steps and loss, where there is a terminal to see them."""

    def __init__(self) -> None:
        self._bar: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Lesson)
        if trainer.is_global_zero:
            self._bar = progress(total=pl_module.total_steps, what="train", unit="step")
            self._bar.update(pl_module.steps_done)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._bar is not None:
            self._bar.update(1)
            if not self._bar.disable:
                self._bar.set_postfix(loss=f"{float(outputs['loss']):.3f}", refresh=False)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
