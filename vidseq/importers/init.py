"""Makes a data set from a folder of videos: loose files, a folder a class, and both in a folder a split."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vidseq.data.dataset import Dataset, refuse_tables, write_dataset
from vidseq.data.fields import Row, listing, parse_fps
from vidseq.data.format import round_seconds
from vidseq.data.schema import QUESTION, DatasetInfo, Query, Segment, Video
from vidseq.data.splits import SPLIT_NAMES, assign_splits, group_rule
from vidseq.data.tables import read_csv
from vidseq.errors import DataError, VideoError, unknown_name
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.progress import progress
from vidseq.video.folder import VIDEO_SUFFIXES, FolderListing, list_videos, video_names
from vidseq.video.probing import VideoInfo, probe

SPLITS = ("train", "val", "test")
PROPORTIONS = {"train": 0.7, "val": 0.15, "test": 0.15}
CLASS_QUESTION = "What happens in this video?"


@dataclass(frozen=True)
class FoundVideo:
    """A video file, with the split and the class that its folders give."""

    video: str
    path: Path
    split: str | None
    label: str | None
    duration: float = 0.0
    fps: Fraction | None = None


def init_dataset(
    folder: Path | str,
    out: Path | str | None = None,
    *,
    name: str | None = None,
    fps: str | float | None = None,
    splits: Mapping[str, float] = PROPORTIONS,
    split_file: Path | str | None = None,
    group: str | None = None,
    seed: int = 0,
    classes: bool = True,
    question: str | None = CLASS_QUESTION,
    segments: bool = False,
    overwrite: bool = False,
    skip_bad: bool = False,
) -> ConversionReport:
    """Makes a data set from a folder of videos; no video is changed.

    A video in a folder of a class gets a question at its end. Folders named train, val and test give the splits;
    otherwise whole groups are split at random.

    Args:
        folder: the folder; its subfolders are read too.
        out: folder of the data set; None: `folder` itself.
        name: of the data set; None: the folder's.
        fps: rate at which features will be sampled; it is written into the data set.
        splits: the shares of train, val and test, if folders do not give the split.
        split_file: CSV with the columns video and split, which decides instead; by file name, name without suffix, or
            path in the folder.
        group: regular expression that finds a video's group (person, camera) in its name; see `splits.group_rule`.
        seed: of the random choice.
        classes: whether folders name classes, where there are at least two.
        question: the question about a video that has a class; None: no question.
        segments: whether the class is also a segment from start to end, so that frames have labels. A class that no
            question asks for is one.
        overwrite: replace the data set that is there.
        skip_bad: leave videos out that cannot be read, and list them; otherwise all are named and nothing is written.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: there are no videos, or some cannot be read.
        UserError: there is a data set already.
        FileNotFoundError: no such folder.
    """
    folder = Path(folder)
    out = folder if out is None else Path(out)
    if not folder.is_dir():
        got = "is a file" if folder.exists() else "does not exist"
        raise FileNotFoundError(f"Videos are expected in a folder, got {folder}, which {got}. Name their folder.")
    refuse_tables(out, overwrite=overwrite)
    findings = Findings(skip_bad)
    videos = _readable(find_videos(folder, classes, findings), out, findings)
    group_of = group_rule(group)
    groups = {item.video: group_of(item.video) for item in videos}
    chosen = _given_splits(videos, folder, split_file, findings)
    if not chosen:
        rows = [(item.video, groups[item.video] or item.video, item.label) for item in videos]
        chosen = assign_splits(rows, _known_splits(splits), seed)
    _refuse_shared_groups(chosen, groups)
    placed = [(_video(item, chosen[item.video], groups[item.video], out), item.label) for item in videos]
    return findings.report(
        write_videos(out, placed, name=name or _text(folder.resolve().name), fps=fps, question=question,
                     segments=segments)
    )  # fmt: skip


def _text(name: str) -> str:
    """A name with a sign in place of each byte that is not UTF-8."""
    return os.fsencode(name).decode(errors="replace")


def write_videos(
    out: Path,
    videos: Sequence[tuple[Video, str | None]],
    *,
    name: str,
    fps: str | float | None = None,
    question: str | None = CLASS_QUESTION,
    segments: bool = False,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """Writes a data set of videos, each of one class or of none.

    Args:
        out: the data set.
        videos: each with its class.
        name: of the data set.
        fps: rate at which features will be sampled.
        question: the question at the end of a video that has a class; None: no question.
        segments: whether the class is also a segment from start to end; without a question it always is.
        classes: all classes in order; None: those that occur, sorted.

    Raises:
        DataError: a row that the reader would refuse; nothing is written.
    """
    labelled = [(video, label) for video, label in videos if label]
    names = tuple(sorted({label for _, label in labelled}) if classes is None else classes)
    segments = segments or not question
    kinds = [kind for kind, there in (("action", segments), ("answer", question)) if there]
    others = sorted({video.split for video, _ in videos} - set(SPLITS))
    return write_dataset(
        out,
        DatasetInfo(
            name=name,
            fps=None if fps is None else parse_fps(fps),
            labels=dict.fromkeys(kinds, names) if names else {},
            splits=(*SPLITS, *others),
        ),
        [video for video, _ in videos],
        [
            Segment(video=video.video, start=0, end=video.duration, label=label)
            for video, label in labelled
            if segments
        ],
        [_query(video, label, question) for video, label in labelled if question],
    )


def find_videos(folder: Path, classes: bool, findings: Findings) -> list[FoundVideo]:
    """Finds the videos in a folder and its subfolders by suffix; hidden files do not count.

    Args:
        folder: the folder.
        classes: whether folders name classes.
        findings: records the files that are no videos.

    Raises:
        DataError: there are none.
    """
    found = _some_videos(folder)
    paths, others = found.videos, found.others
    if others:
        findings.notes.append(f"{others.total()} files are no videos: {listing(sorted(others))}.")
    findings.notes += [f"{reason}." for reason in found.unread]
    tops = {path.parts[0].lower() for path in paths if len(path.parts) > 1}
    in_splits = bool(tops) and tops <= SPLIT_NAMES.keys() and all(len(path.parts) > 1 for path in paths)
    class_at = 1 if in_splits else 0
    names = {path.parts[class_at] for path in paths if len(path.parts) > class_at + 1}
    classes = classes and len(names) > 1
    names_of = video_names(paths)
    return [
        FoundVideo(
            names_of[path],
            folder / path,
            split=SPLIT_NAMES[path.parts[0].lower()] if in_splits else None,
            label=path.parts[class_at] if classes and len(path.parts) > class_at + 1 else None,
        )
        for path in paths
    ]


def video_paths(folder: Path) -> list[Path]:
    """Lists the videos in a folder and its subfolders by suffix; hidden files do not count.

    Raises:
        DataError: there are none.
    """
    return [folder / path for path in _some_videos(folder).videos]


def _some_videos(folder: Path) -> FolderListing:
    found = list_videos(folder)
    if not found.videos:
        raise DataError(
            f"A folder of videos expects at least one in {folder}, got "
            f"{listing(sorted(found.others)) if found.others else 'no file'}. "
            f"Suffixes that count: {' '.join(sorted(VIDEO_SUFFIXES))}."
        )
    return found


def probe_whole(path: Path) -> VideoInfo:
    """Probes a video file that must be whole.

    Raises:
        VideoError: it cannot be read, or not in full, or is a link to nothing.
    """
    if path.is_symlink() and not path.exists():
        raise VideoError(f"{path}: a link to {path.readlink()}, where nothing is.")
    info = probe(path)
    if info.damage:
        raise VideoError(f"{path}: {info.damage}.")
    return info


def _readable(found: list[FoundVideo], out: Path, findings: Findings) -> list[FoundVideo]:
    """Keeps the videos that can be read in full, with duration and frame rate."""
    readable, bad = [], []
    for item in progress(found, what="Looking at videos", unit="video"):
        try:
            relative_path(item.path, out)
            info = probe_whole(item.path)
            readable.append(replace(item, duration=round_seconds(info.duration_seconds), fps=info.fps))
        except VideoError as problem:
            bad.append(str(problem))
    if not readable or (bad and not findings.skip_bad):
        lines = "\n".join(f"  {line}" for line in bad)
        way_out = "Repair or remove them, or leave them out with skip_bad (--skip-bad)."
        if not readable:
            way_out = "Repair at least one."
        raise DataError(f"{len(bad)} of {len(found)} videos cannot be read:\n{lines}\n{way_out}")
    findings.skipped += bad
    return readable


def _given_splits(
    videos: list[FoundVideo], folder: Path, split_file: Path | str | None, findings: Findings
) -> dict[str, str]:
    """Returns the split of each video from its folder or the file; empty if neither gives splits."""
    if split_file is None:
        return {item.video: item.split for item in videos if item.split}
    path = Path(split_file)
    by_name: dict[str, set[str]] = {}
    for item in videos:
        relative = item.path.relative_to(folder)
        for known in (item.video, relative.as_posix(), item.path.name, item.path.stem):
            by_name.setdefault(known, set()).add(item.video)

    def parse(row: Row) -> tuple[str, str]:
        found = by_name.get(row.text("video"), set())
        if len(found) != 1:
            what = "the name or path of one video" if found else "a video that is there"
            raise row.expect("video", what)
        return next(iter(found)), row.text("split")

    rows = read_csv(path, parse, findings, required=("video", "split"), other_columns=True)
    splits: dict[str, str] = {}
    for where, (video, split) in rows:
        if splits.setdefault(video, split) != split:
            raise DataError(f"{where}: 'split' expects one split a video, got '{split}' besides '{splits[video]}'.")
    missing = [item.video for item in videos if item.video not in splits]
    if missing:
        raise DataError(
            f"{path.name}: expects a split for every video, got none for {len(missing)}: {listing(missing, 5)}."
        )
    return splits


def _known_splits(proportions: Mapping[str, float]) -> Mapping[str, float]:
    for name in proportions:
        if name not in SPLITS:
            raise unknown_name("split", name, SPLITS)
    return proportions


def _refuse_shared_groups(splits: Mapping[str, str], groups: Mapping[str, str | None]) -> None:
    home: dict[str, str] = {}
    for video, split in splits.items():
        group = groups[video]
        if group is not None and home.setdefault(group, split) != split:
            raise DataError(
                f"Splits expect every group in one of them, got group '{group}' in {home[group]} and {split}. "
                "Move its videos together, or let the splits be drawn."
            )


def _video(item: FoundVideo, split: str, group: str | None, out: Path) -> Video:
    return Video(
        video=item.video,
        split=split,
        duration=item.duration,
        fps=item.fps,
        path=relative_path(item.path, out),
        group=group,
    )


def relative_path(path: Path, out: Path) -> str:
    """Returns a path relative to the data set in `out`.

    Raises:
        VideoError: the path is not text, so that no data set can name it.
    """
    try:
        relative = Path(os.path.relpath(path, out)).as_posix()
    except ValueError:  # another drive of Windows
        relative = path.resolve().as_posix()
    try:
        relative.encode()
    except UnicodeEncodeError:
        raise VideoError(f"{path}: a name that is not UTF-8, which a data set cannot hold. Rename it.") from None
    return relative


def _query(video: Video, label: str, question: str | None) -> Query:
    return Query(
        video=video.video,
        time=video.duration,
        kind=QUESTION,
        question=question,
        answer=label,
        family="class",
        evidence=((0.0, video.duration),),
    )
