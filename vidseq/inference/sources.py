"""Finds the files, cameras or addresses of a source, and makes the CNN that a model needs."""

import glob
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from vidseq.data.fields import listing
from vidseq.errors import UserError
from vidseq.features.base import Backbone
from vidseq.features.rebuild import backbone_like
from vidseq.model import VideoReasoner
from vidseq.video.addresses import (
    STREAM_SCHEMES,
    is_camera,
    is_live,
    is_remote_file,
    scheme_of,
    without_password,
)
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
        UserError: the address of a file, which is neither a file here nor a camera, or another that is no stream.
    """
    path = Path(source)
    if is_live(source):
        _check_live(source)
        return Sources((Source(source, without_password(source)),), several=False)
    if not path.exists():
        _refuse_other_sources(source)
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
        literal = next((parent for parent in path.parents if parent.is_dir()), root)
        if not found.paths and literal != root:  # brackets in the name of a folder are no wildcards
            root = literal
            found.add_matches(str(Path(glob.escape(str(root))) / path.relative_to(root)))
    if not found.paths:
        raise FileNotFoundError(
            f"--source expects a video file, folder, glob, camera number or stream address, got nothing at '{source}'."
            + (f" Files there that are no videos: {listing(sorted(found.others))}." if found.others else "")
            + (" The videos there are left out, since --save-video names their folder." if found.num_results else "")
        )
    names = video_names([path.relative_to(root) for path in found.paths])
    videos = (Source(_file_path(path), names[path.relative_to(root)]) for path in found.paths)
    return Sources(tuple(videos), several, tuple(found.notes()))


def _check_live(source: str) -> None:
    """Refuses what is no camera or stream in spite of its name.

    Raises:
        UserError: it is a file elsewhere, a folder or file here, or no address.
    """
    if is_camera(source) and Path(source).exists():
        raise UserError(
            f"--source expects one thing, got '{source}', which is the number of a camera and also lies in this "
            f"folder. Write '.{os.sep}{source}' for what lies here, or run the command elsewhere for the camera."
        )
    try:
        shown = without_password(source)
    except ValueError as error:
        raise UserError(f"--source expects an address, got '{source}' ({error}). Correct it.") from None
    if is_remote_file(source):
        raise UserError(
            f"--source expects a file on this machine or the stream of a camera, got '{shown}', which is a file "
            f"elsewhere. Download it first, for example with `curl -LO {shown}`."
        )


def _refuse_other_sources(source: str) -> None:
    """Refuses addresses that are no streams, and names of cameras that are no numbers.

    Raises:
        UserError: it is one.
    """
    scheme, camera = scheme_of(source), re.fullmatch(r"/dev/video(\d+)", source)
    if scheme == "file":
        raise UserError(f"--source expects a path, got '{source}'. Write what follows 'file://'.")
    if scheme:
        raise UserError(
            f"--source expects a file on this machine or a stream ({', '.join(STREAM_SCHEMES)}), got "
            f"'{without_password(source)}'. Copy it to this machine first."
        )
    if camera:
        raise UserError(f"--source expects the number of a camera, got '{source}'. Write {camera[1]}.")


def _file_path(path: Path) -> str:
    """The path of a file, never to be taken for the number of a camera."""
    return f".{os.sep}{path}" if is_live(str(path)) else str(path)


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
