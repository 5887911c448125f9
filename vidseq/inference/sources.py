"""Finds the files, cameras or addresses of a source, and makes the CNN that a model needs."""

import glob
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from vidseq.data.fields import listing
from vidseq.errors import UserError
from vidseq.features.base import Backbone
from vidseq.features.rebuild import backbone_like
from vidseq.model import VideoReasoner
from vidseq.video.addresses import is_live, is_remote_file, without_password
from vidseq.video.folder import is_video, list_videos, video_names


@dataclass(frozen=True)
class Source:
    """A video to predict on."""

    path: str
    """A file, camera number or stream address."""
    name: str
    """Its name in rows, which no other video of the run has."""


@dataclass(frozen=True)
class Sources:
    """What a source names."""

    videos: tuple[Source, ...]
    several: bool
    """Whether it may name any number of videos, as a folder or glob does, however many it names now."""
    notes: tuple[str, ...] = ()
    """What was left out."""


def find_sources(source: str, *, apart_from: Path | None = None) -> Sources:
    """Finds the files, cameras or addresses that a source names.

    Videos of a folder are named by their paths in it, as in a data set; those of a glob by their paths in the folder
    where its wildcards begin.

    Args:
        source: a file, folder, glob, camera number or stream address.
        apart_from: a folder whose videos are results, not sources.

    Raises:
        FileNotFoundError: nothing is found.
        UserError: the address of a file, which is neither a file here nor a camera.
    """
    if is_live(source):
        if is_remote_file(source):
            raise UserError(
                f"--source expects a file on this machine or the stream of a camera, got '{source}', which is a file "
                f"elsewhere. Download it first, for example with `curl -LO {source}`."
            )
        return Sources((Source(source, without_password(source)),), several=False)
    path = Path(source)
    found = _Found(apart_from)
    root, several = path, True
    if not source.strip():  # Path("") would be the current folder
        pass
    elif path.is_dir():
        found.add_folder(path)
    elif path.exists() or path.is_symlink():
        root, several = path.parent, False
        found.paths[path] = None
    else:
        root = _folder_of(path)
        found.add_matches(source)
    if not found.paths:
        raise FileNotFoundError(
            f"--source expects a video file, folder, glob, camera number or stream address, got nothing at '{source}'."
            + (f" Files there that are no videos: {listing(sorted(found.others))}." if found.others else "")
            + (" The videos there are left out, since --save-video names their folder." if found.num_results else "")
        )
    names = video_names([path.relative_to(root) for path in found.paths])
    videos = (Source(str(path), names[path.relative_to(root)]) for path in found.paths)
    return Sources(tuple(videos), several, tuple(found.notes()))


class _Found:
    """The videos of folders and matches, and what is there besides."""

    def __init__(self, apart_from: Path | None) -> None:
        self.paths: dict[Path, None] = {}
        self.others: Counter[str] = Counter()
        self._unread: list[str] = []
        self.num_results = 0
        self._results = None if apart_from is None else Path(os.path.realpath(apart_from))

    def add_folder(self, folder: Path) -> None:
        found = list_videos(folder)
        self.others += found.others
        self._unread += found.unread
        for path in found.videos:
            self._add(folder / path)

    def add_matches(self, pattern: str) -> None:
        """Adds what a glob names: the videos in folders, and files that are videos or have the pattern's suffix."""
        suffix = Path(pattern).suffix
        wanted = suffix if suffix and not glob.has_magic(suffix) else None
        for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - Path.glob refuses absolute patterns
            path = Path(match)
            if path.is_dir():
                self.add_folder(path)
            elif is_video(path) or path.suffix == wanted:
                self._add(path)
            else:
                self.others[path.suffix or path.name] += 1

    def notes(self) -> list[str]:
        notes = [f"{reason}." for reason in self._unread]
        if self.others:
            notes.append(f"{self.others.total()} files are no videos: {listing(sorted(self.others))}.")
        if self.num_results:
            notes.append(f"{self.num_results} videos are in the folder of --save-video and are left out.")
        return notes

    def _add(self, path: Path) -> None:
        if self._results is not None and self._results in Path(os.path.realpath(path)).parents:
            self.num_results += 1
        else:
            self.paths[path] = None


def _folder_of(pattern: Path) -> Path:
    """The folder in which the wildcards of a pattern begin."""
    return next((parent for parent in pattern.parents if not glob.has_magic(str(parent))), Path())


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
