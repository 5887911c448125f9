"""Names of videos in published lists, which may stand there with a path or with the suffix of some file."""

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from vidseq.video.folder import VIDEO_SUFFIXES

#: Suffixes that lists give names of videos: of labels, features and video files.
_SUFFIXES = (".txt", ".npy", ".npz", *sorted(VIDEO_SUFFIXES))
#: Longest name of a file in bytes, with room for a suffix.
_MAX_BYTES = 200


def listed_video(text: str, is_there: Callable[[str], bool]) -> str | None:
    """Finds the video that an entry of a list means; folders before its name do not count.

    Args:
        text: such as "S1_Tea_C1", "S1_Tea_C1.txt" or "/data/gtea/groundTruth/S1_Tea_C1.txt".
        is_there: whether a video of that name has a file.

    Returns:
        the name; where no file is there, the likeliest one, and None if the entry is a path or no name of a file.
    """
    name = re.split(r"[/\\]", text)[-1]
    if not name or "\0" in text or len(name.encode()) > _MAX_BYTES:
        return None
    stem = name[: -len(suffix)] if (suffix := PurePosixPath(name).suffix.lower()) in _SUFFIXES else name
    found = next(filter(is_there, (stem, name)), None)
    return stem if found is None and name == text else found
