"""Saves and loads models as folders with `model.safetensors` and `config.json`; no file is a pickle.

A model of projected features keeps their `projection.safetensors` beside, so that it can read new videos. A model that
labels frames keeps what training labels say of segments beside, see `vidseq.segmentation.Segmenter`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from vidseq import __version__
from vidseq.compact_weights import pack, unpack
from vidseq.data.fields import nearest
from vidseq.device import choose_device
from vidseq.errors import DataError, FingerprintError, ModelError
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.projection import PROJECTION_FILE, FeatureProjection
from vidseq.files import atomic_write, parse_json
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.pretrained.shipped import pretrained_folder, pretrained_models
from vidseq.segmentation.segmenter import Segmenter
from vidseq.tasks import DenseTask, of_family

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"
FORMAT = "vidseq model"
#: Increased when a change of the format makes older folders unreadable for newer code, or newer ones for older code.
FORMAT_VERSION = 2
#: A model of version 1 lacks the sum of a question's words; it is read, and answers as it did.
READ_VERSIONS = (1, FORMAT_VERSION)

#: The model folders of a run; the first existing one is the default.
RUN_CHECKPOINTS = ("checkpoints/best", "checkpoints/last")


def save_model(model: VideoReasoner, folder: Path | str, *, compact: bool = False) -> None:
    """Writes a model; an interrupted write leaves the old files.

    Args:
        model: the model, on any device; its data types are kept.
        folder: folder of the model; created if it is missing.
        compact: a quarter of the bytes, for models that ship; weights are rounded, see `vidseq.compact_weights`.
    """
    folder = Path(folder)
    weights = {name: part.detach().cpu().contiguous() for name, part in model.state_dict().items()}
    config = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "vidseq": __version__,
        "model": model.config.to_json(),
    }
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    _write_if_changed(folder / CONFIG_FILE, text.encode())
    if model.feature_projection is not None:
        _write_if_changed(folder / PROJECTION_FILE, model.feature_projection.to_bytes())
    for name, task in of_family(model.tasks.values(), DenseTask).items():
        if task.segmenter is not None:
            _write_if_changed(folder / segmenter_file(name), task.segmenter.to_bytes())
    atomic_write(folder / WEIGHTS_FILE, save(pack(weights) if compact else weights))


def load_model(
    folder: Path | str, device: str | torch.device = "auto", *, fingerprint: Fingerprint | None = None
) -> VideoReasoner:
    """Loads a model for prediction.

    Args:
        folder: folder of a model, or of a run: then its best model, or its last if there is no best; or the name of a
            model that ships with vidseq, such as "classroom".
        device: device of the model; "auto" takes the fastest one.
        fingerprint: fingerprint of the features that the model will read; None: not checked.

    Returns:
        the model in evaluation mode.

    Raises:
        ModelError: a file is missing, truncated or of another version, or the two files do not match.
        FingerprintError: the model needs features that were made in another way; the message names the field.
    """
    folder = find_checkpoint(folder)
    config = read_config(folder)
    if fingerprint is not None and config.fingerprint is not None:
        try:
            config.fingerprint.check(fingerprint)
        except FingerprintError as error:
            raise FingerprintError(f"Model {folder}: {error}") from None
    try:
        with torch.random.fork_rng(devices=[]):  # initial weights are overwritten and must not change the random state
            model = VideoReasoner(config)
    except (ValueError, TypeError) as error:
        raise _damaged(folder / CONFIG_FILE, f"no model can be built from it ({error})") from error
    _load_weights(model, folder / WEIGHTS_FILE)
    model.feature_projection = read_projection(folder, config)
    for name, task in of_family(model.tasks.values(), DenseTask).items():
        task.segmenter = _read_segmenter(folder / segmenter_file(name))
    target = choose_device(device) if isinstance(device, str) else device
    model.to(target).eval().prepare()
    return model


def find_checkpoint(folder: Path | str) -> Path:
    """Finds the model in a folder: the folder itself, or a run's best or last model.

    Args:
        folder: the folder, or the name of a model that ships with vidseq, where there is no such folder.

    Raises:
        ModelError: there is no model.
    """
    folder = Path(folder)
    if not folder.exists():
        shipped = pretrained_folder(str(folder))
        if shipped is None:
            near = nearest(str(folder), pretrained_models())
            raise ModelError(
                f"A model expects a folder or one of the shipped {', '.join(pretrained_models())}, got nothing at "
                f"'{folder}'.{near} Train one with `vidseq train`, or fetch one with `vidseq hub pull`."
            )
        folder = shipped
    if not folder.is_dir():
        raise ModelError(f"A model expects a folder, got a file at '{folder}'. Train one with `vidseq train`.")
    for candidate in (folder, *(folder / name for name in RUN_CHECKPOINTS)):
        if (candidate / CONFIG_FILE).is_file() or (candidate / WEIGHTS_FILE).is_file():
            return candidate
    raise ModelError(
        f"A model folder expects {CONFIG_FILE} and {WEIGHTS_FILE}, got neither in '{folder}'. "
        f"Give the folder of a run or of a checkpoint."
    )


def read_projection(folder: Path, config: ModelConfig) -> FeatureProjection | None:
    """Reads what the features of a model were projected with.

    Args:
        folder: folder of the model, as `find_checkpoint` gives it.
        config: its config.

    Returns:
        the projection; None: its features are not projected.

    Raises:
        ModelError: the file is missing, or belongs to other features.
    """
    path = folder / PROJECTION_FILE
    try:
        return FeatureProjection.load_checked(path, config.fingerprint.projection if config.fingerprint else "")
    except DataError as error:
        raise ModelError(f"Model {folder}: {error}") from None


def read_config(folder: Path) -> ModelConfig:
    """Reads the config of a model without its weights.

    Args:
        folder: folder of the model, as `find_checkpoint` gives it.

    Raises:
        ModelError: the file is missing, damaged or of another version.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise _damaged(path, "it is missing")
    try:
        values: Any = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path, f"it is no JSON ({error})") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise _damaged(path, f"it does not say format '{FORMAT}'")
    if values.get("version") not in READ_VERSIONS:
        raise ModelError(
            f"This vidseq ({__version__}) expects a model of format version {FORMAT_VERSION}, got "
            f"{values.get('version')} in {path} (written by vidseq {values.get('vidseq', 'unknown')}). "
            f"Use that vidseq, or train the model again."
        )
    try:
        return ModelConfig.from_json(values["model"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise _damaged(path, reason) from None


def segmenter_file(task: str) -> str:
    """The name of the file with what a dense task knows of segments; models trained without labels have none."""
    return f"{task}_segmenter.safetensors"


def _read_segmenter(path: Path) -> Segmenter | None:
    if not path.is_file():
        return None
    try:
        return Segmenter.from_bytes(path.read_bytes())
    except (ValueError, OSError) as error:
        raise _damaged(path, str(error)) from None


def _write_if_changed(path: Path, content: bytes) -> None:
    """Writes what rarely changes, because training saves every epoch."""
    if not path.is_file() or path.read_bytes() != content:
        atomic_write(path, content)


def _load_weights(model: VideoReasoner, path: Path) -> None:
    if not path.is_file():
        raise _damaged(path, "it is missing")
    try:
        weights = unpack(load_file(path))
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    except (SafetensorError, OSError) as error:
        raise _damaged(path, f"it is truncated or no safetensors file ({error})") from None
    weights = {**_place_statistics(model, weights), **_sum_of_words(model, path.parent), **weights}
    wanted = {name: tuple(part.shape) for name, part in model.state_dict().items()}
    got = {name: tuple(part.shape) for name, part in weights.items()}
    for name in sorted(wanted | got):
        if wanted.get(name) != got.get(name):
            shapes = f"{wanted.get(name, 'nothing')} expected, {got.get(name, 'nothing')} there"
            raise _damaged(path, f"it does not fit {CONFIG_FILE}: {name}, {shapes}")
    model.load_state_dict(weights)


def _place_statistics(model: VideoReasoner, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a model saved before each place had a mean and deviation of its own reads places with: those of all."""
    own, mean = "projection.place_mean", weights.get("projection.mean")
    if own in weights or own not in model.state_dict() or mean is None or mean.ndim != 2:
        return {}
    return {own: mean, "projection.place_share": torch.ones(len(mean), 1)}


def _sum_of_words(model: VideoReasoner, folder: Path) -> dict[str, Tensor]:
    """What a model of version 1 lacks, whose questions were read without the sum of their words: zeros."""
    if parse_json((folder / CONFIG_FILE).read_text(encoding="utf-8"))["version"] > 1 or model.encoder is None:
        return {}
    zeros = {name: torch.zeros_like(part) for name, part in model.encoder.words.state_dict().items()}
    return {f"encoder.words.{name}": part for name, part in zeros.items()}


def _damaged(path: Path, reason: str) -> ModelError:
    return ModelError(f"Model file {path} cannot be used: {reason}. Copy the folder again, or train again.")
