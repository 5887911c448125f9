"""Describes a video, a data set, a model, or this installation in a few lines."""

import importlib.metadata
import importlib.util
from pathlib import Path

from vidseq import __version__
from vidseq.errors import ModelError, UserError
from vidseq.pretrained.shipped import pretrained_folder, pretrained_models


def describe(path: Path | None = None) -> str:
    """Describes what is at a path, or this installation.

    Args:
        path: a video file, or the folder of a data set, model or run, or the name of a shipped model; None: vidseq
            itself.

    Raises:
        FileNotFoundError: nothing is there.
    """
    if path is None:
        return describe_installation()
    if not path.exists():
        if pretrained_folder(str(path)) is None:
            names = ", ".join(pretrained_models())
            raise FileNotFoundError(f"info expects a file, a folder or a shipped model ({names}), got '{path}'.")
        return describe_model(path)
    if path.is_file():
        return describe_video(path)
    if (path / "dataset.json").is_file():
        return describe_dataset(path)
    if not _holds_model(path):
        raise UserError(
            f"info expects a video, or the folder of a data set, model or run, got '{path}', which is none of them."
        )
    return describe_model(path)


def _holds_model(folder: Path) -> bool:
    from vidseq.checkpoint import find_checkpoint

    try:
        find_checkpoint(folder)
    except ModelError:
        return False
    return True


def describe_installation() -> str:
    """Versions, the device that "auto" takes, and what can be named on the command line."""
    from vidseq.device import choose_device
    from vidseq.exporters import EXPORTERS
    from vidseq.features import backbone_names
    from vidseq.heads import HEADS
    from vidseq.importers import IMPORTERS
    from vidseq.tasks import TASKS

    packages = ("torch", "torchvision", "decord", "av", "openvino", "lightning-fabric")
    versions = ", ".join(_version(name) for name in packages)
    return _lines(
        vidseq=__version__,
        packages=versions,
        device=choose_device(),
        heads=", ".join(HEADS),
        tasks=", ".join(TASKS),
        backbones=", ".join(backbone_names()),
        layouts=", ".join(IMPORTERS),
        exports=", ".join(EXPORTERS),
        models=", ".join(pretrained_models()),
    )


def _version(package: str) -> str:
    """Names a package and its version; decord is not installed on every kind of machine."""
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        return f"{package} is not installed"
    return f"{package} {importlib.metadata.version(package)}"


def describe_video(path: Path) -> str:
    """What is in a video file, and which decoder reads it and why."""
    from vidseq.video.probing import probe

    info = probe(path)
    return _lines(
        video=path,
        codec=f"{info.codec} in {info.container}, stream {info.stream}",
        size=", ".join([f"{info.width} x {info.height}", *info.display_changes]),
        length=f"{info.duration_seconds:.3f} s, {info.num_frames} frames, {float(info.fps):.3f} a second on average",
        decoder=f"{info.decoder} {info.decoder_version}: {info.reason}",
        **({"damage": info.damage} if info.damage else {}),
    )


def describe_dataset(path: Path) -> str:
    """How much of what is in a data set, and which features it has."""
    from vidseq.data.dataset import Dataset

    dataset = Dataset.load(path)
    splits = ", ".join(f"{name} {len(dataset.split(name))}" for name in dataset.info.splits)
    kinds = sorted({query.kind for query in dataset.queries})
    asked = ", ".join(f"{sum(query.kind == kind for query in dataset.queries)} {kind}" for kind in kinds)
    hours = sum(video.duration for video in dataset.videos.values()) / 3600
    stores = sorted(folder.parent.name for folder in (path / "features").glob("*/fingerprint.json"))
    return _lines(
        data_set=f"{dataset.info.name} {dataset.info.version} ({dataset.info.observations})",
        videos=f"{len(dataset.videos)} ({splits}), {hours:.2f} hours",
        segments=f"{len(dataset.segments)} of {len(dataset.action_labels)} actions",
        queries=asked or "none",
        features=", ".join(stores) or "none; make some with `vidseq features`",
        licence=dataset.info.licence,
        source=dataset.info.source,
    )


def describe_model(path: Path) -> str:
    """What a model is, does, and wants for input."""
    from vidseq.checkpoint import load_model
    from vidseq.heads.base import num_parameters

    model = load_model(path, device="cpu")
    config = model.config
    reach = model.head.context_frames
    return _lines(
        model=path,
        head=f"{config.head} {dict(config.head_options) or ''}".strip(),
        reads="past and future" if not config.causal else f"{reach} frames back" if reach else "all of the past",
        tasks=", ".join(config.tasks),
        temperatures=", ".join(f"{name} {value:.3g}" for name, value in config.temperatures.items()) or "none",
        parameters=f"{num_parameters(model):,}",
        features="unknown" if config.fingerprint is None else config.fingerprint.name,
        fps=config.fps or "unknown",
        classes=", ".join(f"{len(names)} {kind}" for kind, names in config.labels.items()),
    )


def _lines(**facts: object) -> str:
    width = max(map(len, facts)) + 2
    return "\n".join(f"{name.replace('_', ' ') + ':':<{width}}{fact}" for name, fact in facts.items())
