"""Finds the files, cameras or addresses of a source, and makes the CNN that a model needs."""

import glob
from pathlib import Path

from vidseq.features.base import Backbone
from vidseq.features.rebuild import backbone_like
from vidseq.model import VideoReasoner
from vidseq.video.live import is_live

#: Suffixes of the files that are searched in a folder.
VIDEO_SUFFIXES = frozenset(
    [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".3gp"]
)


def find_sources(source: str) -> list[str]:
    """Returns the files, cameras or addresses that a source names.

    Raises:
        FileNotFoundError: nothing is found.
    """
    if is_live(source):
        return [source]
    path = Path(source)
    if not source.strip():  # Path("") would be the current folder
        found = []
    elif path.is_dir():
        found = sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES)
    else:
        found = [source] if path.exists() else sorted(glob.glob(source, recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
    if not found:
        raise FileNotFoundError(
            f"--source expects a video file, folder, glob, camera number or stream address, got nothing at '{source}'."
        )
    return found


def backbone_of(model: VideoReasoner, weights: str = "pretrained", device: str = "auto") -> Backbone:
    """Builds the CNN that makes a model's features.

    Args:
        model: the model, with the fingerprint of its features.
        weights: the weights of the fingerprint.
        device: device of torch.

    Raises:
        ModelError: the model was trained on features of no known CNN.
        FingerprintError: the weights or the projection differ from those of the fingerprint.
    """
    return backbone_like(model.config.fingerprint, model.feature_projection, weights=weights, device=device)
