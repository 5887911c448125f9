"""Checks a data set with its video files and features, and lists each problem with its fix."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vidseq.data.check_rows import (
    missing_rows,
    names_out_of_form,
    names_that_differ_in_case,
    questions_asked_twice,
    repeated_rows,
)
from vidseq.data.dataset import Dataset, read_dataset
from vidseq.data.fields import TIME_TOLERANCE, listing
from vidseq.data.format import VIDEOS_FILE
from vidseq.data.table_files import table_of
from vidseq.data.tables import read_jsonl
from vidseq.data.visible import count_visible
from vidseq.errors import DataError, UserError
from vidseq.features.origin import is_replaced
from vidseq.features.store import FOLDER, FeatureStore
from vidseq.files import real_path
from vidseq.progress import progress
from vidseq.video.reader import VideoReader
from vidseq.video.resizing import Size

#: Size of decoded frames. The check only decodes them, and small frames need little memory.
_SMALL = Size(32)
#: Largest allowed difference between a file's duration and the listed one, in seconds.
DURATION_TOLERANCE = 0.1
#: The share of a video that its features must cover.
MIN_COVERED = 0.8


def check_dataset(folder: Path | str, *, videos: bool = True, features: bool = True) -> list[str]:
    """Checks every row of a data set, the groups of its splits, its video files and its features.

    Args:
        folder: folder of the data set.
        videos: whether to decode the first, middle and last second of every video.
        features: whether to read all features.

    Returns:
        the problems, each as "file:row: problem and fix"; [] if there are none.

    Raises:
        FileNotFoundError: the folder is not a data set.
    """
    problems: list[str] = []
    try:
        dataset = read_dataset(folder, lambda problem: problems.append(str(problem)))
    except DataError as problem:
        return [*problems, str(problem)]
    rows = _video_rows(dataset)
    for find in (missing_rows, repeated_rows, questions_asked_twice, names_out_of_form, names_that_differ_in_case):
        problems += find(dataset)
    problems += _shared(dataset, rows)
    if videos:
        for video in progress(list(dataset.videos), what="Checking videos", unit="video"):
            problems += (f"{rows[video]}: {problem}" for problem in _video_problems(dataset, video))
    if features:
        problems += _feature_problems(dataset)
    return problems


def _video_rows(dataset: Dataset) -> dict[str, str]:
    """Returns the file and line of each video's row."""
    rows = read_jsonl(table_of(dataset.folder, VIDEOS_FILE), lambda row: row.file_name("video"), lambda problem: None)
    return {video: where for where, video in reversed(list(rows))}


def _shared(dataset: Dataset, rows: dict[str, str]) -> Iterator[str]:
    """Yields groups that are in two splits, and files that are listed twice."""
    for group, splits in dataset.shared_groups().items():
        members = [video for video in dataset.videos if dataset.group_of(video) == group]
        yield (
            f"{rows[members[0]]}: group '{group}' is in {', '.join(splits)}; a group belongs to one split. "
            f"Move its videos together: {listing(members, 5)}."
        )
    users: defaultdict[Path, list[str]] = defaultdict(list)
    for video in dataset.videos:
        path = dataset.video_path(video)
        if path is not None:
            users[real_path(path)].append(video)
    for path, names in users.items():
        if len(names) > 1:
            yield f"{rows[names[1]]}: the file {path.name} is also that of '{names[0]}'. Remove one of the rows."


def _video_problems(dataset: Dataset, video: str) -> Iterator[str]:
    path, listed = dataset.video_path(video), dataset.videos[video]
    if path is None:
        return
    try:
        with VideoReader(path, size=_SMALL) as reader:
            info = reader.info
            if abs(info.duration_seconds - listed.duration) > max(DURATION_TOLERANCE, float(1 / info.fps)):
                yield (
                    f"'duration' expects the length of {listed.path}, {info.duration_seconds:.3f} s, got "
                    f"{listed.duration}. Write that length."
                )
            if listed.fps is not None and abs(listed.fps / info.fps - 1) > 0.01:
                yield f"'fps' expects the rate of {listed.path}, {float(info.fps):.3f}, got {listed.fps}. Correct it."
            reader.frames_at(_times_to_look_at(info.pts_seconds, info.duration_seconds))
    except FileNotFoundError:
        yield f"'path' expects a video file, got {listed.path}, which does not exist. Correct it, or leave it out."
    except (UserError, OSError) as problem:
        yield f"{problem}"


def _times_to_look_at(pts_seconds: np.ndarray, duration: float) -> np.ndarray:
    """Returns the times of all frames in the first, middle and last second."""
    near = [(pts_seconds >= start) & (pts_seconds < start + 1) for start in (0.0, duration / 2 - 0.5, duration - 1)]
    return pts_seconds[near[0] | near[1] | near[2]]


def _feature_problems(dataset: Dataset) -> Iterator[str]:
    parent = dataset.folder / FOLDER
    for folder in sorted(path for path in parent.glob("*") if path.is_dir()):
        name = f"{FOLDER}/{folder.name}"
        try:
            store = FeatureStore.open(folder)
        except (UserError, OSError) as problem:
            yield f"{name}: {problem}"
            continue
        present = store.videos()
        missing = [video for video in dataset.videos if video not in store]
        if missing:
            yield (
                f"{name}: expects features of all {len(dataset.videos)} videos, got none of {len(missing)}: "
                f"{listing(missing, 5)}. Run `vidseq features`."
            )
        unknown = [video for video in present if video not in dataset.videos]
        if unknown:
            yield f"{name}: holds features of videos that {VIDEOS_FILE} does not name: {listing(unknown, 5)}."
        known = [video for video in present if video in dataset.videos]
        for video in progress(known, what="Reading features", unit="video"):
            yield from (f"{name}/{video}.npy: {problem}" for problem in _stored_problems(dataset, store, video))


def _stored_problems(dataset: Dataset, store: FeatureStore, video: str) -> Iterator[str]:
    try:
        stored = store.read(video)
    except DataError as problem:
        yield str(problem)
        return
    features, pts_seconds = stored.features, stored.pts_seconds
    if features.shape[-1] != store.dim:
        yield f"expects the width of the others, {store.dim}, got {features.shape[-1]}. Make them again."
    bad = int((~np.isfinite(features)).reshape(len(features), -1).any(axis=1).sum())
    if bad:
        yield f"expects finite numbers, got NaN or infinity in {bad} of {len(features)} frames. Make them again."
    path, source = dataset.video_path(video), store.source(video)
    if path is not None and "duration_seconds" in source and is_replaced(source, path):
        yield f"expects features of {path.name} as it is, got those of a file that it replaced. Run `vidseq features`."
    early = [query.time for query in dataset.queries_of(video) if not count_visible(pts_seconds, query.time)]
    if early:
        yield (
            f"expects queries at or after the first frame, {pts_seconds[0]:.3f} s, got {len(early)} before it, the "
            f"first at {early[0]:.3f} s. Remove them, or ask later: evaluation refuses them."
        )
    duration = dataset.videos[video].duration
    step = float(np.median(np.diff(pts_seconds))) if len(pts_seconds) > 1 else duration
    if len(pts_seconds) and pts_seconds[-1] + step < MIN_COVERED * duration:
        yield (
            f"expects times up to the video's end, {duration} s, got the last at {pts_seconds[-1]:.3f}. Make the "
            f"features again at their own rate (`vidseq features --fps`), or correct the duration in {VIDEOS_FILE}."
        )
    if len(pts_seconds) and pts_seconds[-1] > duration + TIME_TOLERANCE:
        yield (
            f"expects times up to the video's duration, {duration} s, got {pts_seconds[-1]:.3f}. "
            f"Correct the duration in {VIDEOS_FILE}, or make the features again."
        )
