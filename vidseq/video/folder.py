"""Finds the videos in a folder, and gives each a name: the one list of what counts as a video."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

#: A file counts as a video by its suffix, unless it or a folder above it is hidden.
VIDEO_SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2ts", ".mts", ".ts"),
        *(".flv", ".wmv", ".3gp", ".ogv", ".vob", ".mxf", ".gif"),
    )
)

_UNSAFE = re.compile(r"[^\w.-]")


@dataclass(frozen=True)
class FolderListing:
    """What is in a folder and its subfolders, hidden files and folders apart."""

    videos: tuple[Path, ...]
    """Relative to the folder, sorted. A link whose target is missing counts, so that its absence shows."""
    others: Counter[str]
    """The number of other files by suffix, or by name where there is none."""
    unread: tuple[str, ...]
    """The folders that were not read, and what is no file in spite of its suffix, each with the reason."""


def list_videos(folder: Path) -> FolderListing:
    """Lists the videos in a folder and its subfolders. Links are followed, unless they lead back."""
    videos: list[Path] = []
    others: Counter[str] = Counter()
    unread: list[str] = []
    real = Path(os.path.realpath(folder))
    for path in _visible_files(folder, (real, *real.parents), unread):
        if is_video(path) and path.exists() and not path.is_file():  # a named pipe would be waited for
            unread.append(f"{path} is not read: no file")
        elif is_video(path):
            videos.append(path.relative_to(folder))
        else:
            others[path.suffix or path.name] += 1
    return FolderListing(tuple(sorted(videos)), others, tuple(unread))


def is_video(path: PurePath) -> bool:
    """Whether a file counts as a video, by its suffix."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def video_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Makes a name for each video that is safe as a file name: its path, with the suffix only if needed.

    Args:
        paths: relative to one folder, such as cam1/clip.mp4.

    Returns:
        names such as cam1__clip, of which no two are equal, even where case does not count.
    """
    plain = {path: plain_name("__".join(path.with_suffix("").parts)) for path in paths}
    counts = Counter(map(_folded, plain.values()))
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in paths:
        name = plain[path]
        if counts[_folded(name)] > 1:
            name = plain_name(f"{name}_{path.suffix[1:]}")
        number = 1
        while _folded(name) in taken:
            number += 1
            name = f"{plain[path]}-{number}"
        names[path] = name
        taken.add(_folded(name))
    return names


def plain_name(name: str) -> str:
    """Makes a name safe as a file name: letters with their marks, such as vowels of Devanagari, digits, "-" and "."
    stay; "_" stands for what is between them.
    """
    name = unicodedata.normalize("NFC", name)
    safe = _UNSAFE.sub(lambda found: found[0] if unicodedata.category(found[0]).startswith("M") else "\0", name)
    # cut by bytes, which file systems count; a part of a character that is left over is dropped
    short = re.sub("\0+", "_", safe).encode(errors="replace")[:150].decode(errors="ignore")
    return short.strip("._") or "video"


def _visible_files(folder: Path, above: tuple[Path, ...], unread: list[str]) -> Iterator[Path]:
    """Yields the files below a folder; `above` are the real paths of the folders that it lies in, and its own."""
    try:
        with os.scandir(folder) as entries:
            visible = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        unread.append(f"{folder} is not read: {error.strerror}")
        return
    for path in (folder / name for name in visible):
        if not path.is_dir():
            yield path
            continue
        real = Path(os.path.realpath(path))
        if real in above:
            unread.append(f"{path} is not read: a link to a folder that it lies in")
        else:
            yield from _visible_files(path, (*above, real), unread)


def _folded(name: str) -> str:
    """Names that are equal on some file system are equal here."""
    return unicodedata.normalize("NFC", name.casefold())
