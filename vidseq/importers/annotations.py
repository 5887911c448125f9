"""Collects the videos and segments that the rows of annotation files describe."""

import itertools
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath

from vidseq.data.fields import Row, listing, normal_text
from vidseq.data.format import round_seconds
from vidseq.data.schema import Query, Segment, Video
from vidseq.errors import DataError
from vidseq.importers.conversion import Findings
from vidseq.importers.init import probe_whole, relative_path, video_paths
from vidseq.progress import progress
from vidseq.video.folder import is_video


@dataclass(frozen=True, kw_only=True)
class VideoFile:
    """A video file, with its duration and frame rate."""

    path: str
    """Its path, as the data set writes it."""
    duration: float
    fps: Fraction
    player_seconds: float
    """When players show its first picture."""


class VideoFiles:
    """Finds the video files of a folder and its subfolders by their names without suffix.

    Args:
        folder: the folder.
        out: the new data set; paths are written relative to it.

    Raises:
        DataError: the folder has no videos.
    """

    def __init__(self, folder: Path, out: Path) -> None:
        self._folder, self._out = folder, out
        self._paths: dict[str, list[Path]] = {}
        for path in video_paths(folder):
            self._paths.setdefault(_composed(path.stem), []).append(path)

    def look_up(self, *names: str) -> VideoFile:
        """Finds the file of a video, and reads its duration and frame rate.

        Args:
            names: possible names without suffix, or paths; the first that exists counts. Of several files of one
                name, a path means the one whose folders it names.

        Raises:
            DataError: no file has such a name, or several have.
            VideoError: the file cannot be read.
        """
        found = next(filter(None, map(self._find, names)), [])
        if len(found) != 1:
            got = f"{len(found)}: {listing([str(path) for path in found], 3)}" if found else "none"
            raise DataError(f"expects one video file '{names[0]}' in {self._folder}, got {got}.")
        info = probe_whole(found[0])
        return VideoFile(
            path=relative_path(found[0], self._out),
            duration=round_seconds(info.duration_seconds),
            fps=info.fps,
            player_seconds=round_seconds(info.player_seconds),
        )

    def _find(self, name: str) -> list[Path]:
        """The files that a name or path may mean: of those of its stem, the ones with most of its folders."""
        place = PurePosixPath(name)
        found = self._paths.get(_composed(place.stem if is_video(place) else place.name), [])
        likeness = {path: _likeness(path, place) for path in found}
        return [path for path in found if likeness[path] == max(likeness.values())]


def _likeness(path: Path, place: PurePosixPath) -> tuple[int, bool]:
    """How many of the last folders two paths share, and whether they share the suffix."""
    pairs = zip(map(_composed, reversed(path.parent.parts)), map(_composed, reversed(place.parent.parts)))
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)), path.suffix == place.suffix


def _composed(name: str) -> str:
    """A file name in composed letters: some systems take them apart."""
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True)
class _Found:
    where: str
    video: Video
    file_names: Sequence[str]


#: The duration of a video that no row gives.
UNKNOWN = 0.0


class Annotations:
    """Collects videos and segments row by row.

    A video without a duration in any row or file ends with its last segment. Segments are cut to their video, and
    exact copies of segments are left out. `findings` records each of these.

    Args:
        findings: records errors and notes.
        files: the video files; None: there are none.
        copies: whether to keep exact copies, since each row counts in a benchmark.
        published: whether the files are those of a published data set, which nobody corrects: actions that cover no
            frame, since they have no length or begin after their video, are left out with a note, not refused.
    """

    def __init__(
        self, findings: Findings, files: VideoFiles | None = None, *, copies: bool = False, published: bool = False
    ) -> None:
        self._findings, self._files, self._copies, self._published = findings, files, copies, published
        self._without_frames: list[str] = []
        self._videos: dict[str, _Found] = {}
        self._segments: list[tuple[str, Segment]] = []

    def add_video(self, row: Row, video: Video, *, file_names: Sequence[str] = (), once: bool = False) -> None:
        """Adds a video, or another row of a known one.

        Args:
            row: the row that names it.
            video: the video; its duration may be `UNKNOWN`.
            file_names: possible names of its file, see `VideoFiles.look_up`; none: the video's own.
            once: whether a second row is an error.

        Raises:
            DataError: the video is in two splits, or in two rows.
        """
        known = self._videos.get(video.video)
        if known is None:
            self._videos[video.video] = _Found(row.where, video, file_names or (video.video,))
        elif known.video.split != video.split:
            raise row.error(
                f"A video expects one split, got '{video.video}' in {known.video.split} and {video.split}."
            )
        elif once:
            raise row.error(f"expects every video once, got '{video.video}' as in {known.where}.")

    def add_segment(self, row: Row, segment: Segment) -> None:
        """Adds a segment of a known video.

        Raises:
            DataError: the segment does not start before it ends.
        """
        start, end = round_seconds(segment.start), round_seconds(segment.end)
        if self._published and start == end:
            self._without_frames.append(f"{row.where}: '{segment.label}' at {start} s has no length")
            return
        if start >= end:
            raise row.error(
                f"an action expects to start before it ends, got {segment.start:.3f} s to {segment.end:.3f} s."
            )
        self._segments.append((row.where, replace(segment, start=start, end=end)))

    def finished(self) -> tuple[dict[str, Video], list[Segment]]:
        """Returns all videos and segments in the order of their rows.

        Raises:
            DataError: there is no video, and no bad row that may have been one.
        """
        if not self._videos and not self._findings.skipped:
            raise DataError("The source expects at least one video, got none. Check that its files have rows.")
        videos = dict(self._with_files()) if self._files else {name: item.video for name, item in self._videos.items()}
        videos = self._with_durations(videos)
        within = self._within(videos)
        kept = list(within if self._copies else self._once(within))
        if self._without_frames:
            self._findings.notes.append(
                f"{len(self._without_frames)} actions cover no frame and are left out: "
                f"{listing(self._without_frames, 3)}."
            )
        return videos, kept

    def _with_files(self) -> Iterator[tuple[str, Video]]:
        assert self._files is not None
        for name, item in progress(
            self._videos.items(), total=len(self._videos), what="Looking at videos", unit="video"
        ):
            try:
                file = self._files.look_up(*item.file_names)
            except ValueError as problem:
                self._findings(DataError(f"{item.where}: {problem}"))
            else:
                yield name, replace(item.video, path=file.path, duration=file.duration, fps=file.fps)

    def _with_durations(self, videos: Mapping[str, Video]) -> dict[str, Video]:
        """Gives each video of unknown duration the end of its last segment."""
        unknown = [name for name, video in videos.items() if video.duration == UNKNOWN]
        ends = dict.fromkeys(unknown, UNKNOWN)
        for _, segment in self._segments:
            if segment.video in ends:
                ends[segment.video] = max(ends[segment.video], segment.end)
        for name in [name for name in unknown if ends[name] == UNKNOWN]:
            self._findings(
                DataError(
                    f"{self._videos[name].where}: '{name}' expects a duration, or an action that ends; got neither."
                )
            )
            del ends[name]
        if ends:
            self._findings.notes.append(f"{len(ends)} videos have no duration: each ends with its last action.")
        kept = {name: video for name, video in videos.items() if video.duration != UNKNOWN or name in ends}
        return {name: replace(video, duration=ends.get(name, video.duration)) for name, video in kept.items()}

    def _within(self, videos: Mapping[str, Video]) -> Iterator[Segment]:
        """Cuts segments to their videos, and leaves out those of videos that were skipped."""
        cut, orphans = 0, 0
        most = 0.0
        for where, segment in self._segments:
            video = videos.get(segment.video)
            if video is None:
                orphans += 1
                continue
            duration = round_seconds(video.duration)
            if segment.start >= duration and self._published:
                self._without_frames.append(
                    f"{where}: '{segment.label}' begins at {segment.start} s, the video ends at {duration} s"
                )
            elif segment.start >= duration:
                self._findings(
                    DataError(
                        f"{where}: an action expects to start before '{segment.video}' ends at {duration} s, got "
                        f"{segment.start} s."
                    )
                )
            elif segment.end > duration:
                cut, most = cut + 1, max(most, segment.end - duration)
                yield replace(segment, end=duration)
            else:
                yield segment
        if cut:
            self._findings.notes.append(
                f"{cut} actions end after their video, by up to {most:.3f} s: they were cut to it."
            )
        if orphans:
            self._findings.notes.append(f"{orphans} actions belong to videos that were skipped, and are skipped too.")

    def _once(self, segments: Iterator[Segment]) -> Iterator[Segment]:
        seen: set[Segment] = set()
        copies = []
        for segment in segments:
            if segment in seen:
                copies.append(f"'{segment.label}' at {segment.start} s of {segment.video}")
            else:
                seen.add(segment)
                yield segment
        if copies:
            self._findings.notes.append(
                f"{len(copies)} actions are exact copies of others and are left out: {listing(copies, 3)}."
            )


def split_files(layout: str, source: Path, names: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Finds the file of each split.

    Args:
        layout: name of the layout, for the error.
        source: a folder, or one of the files.
        names: the name of each split's file.

    Returns:
        split and file, of those that exist.

    Raises:
        FileNotFoundError: none of the files exists.
    """
    if source.is_file():
        names = {split: name for split, name in names.items() if name == source.name}
        source = source.parent
    found = [(split, source / name) for split, name in names.items() if (source / name).is_file()]
    if not found:
        raise FileNotFoundError(
            f"The {layout} layout expects one of {', '.join(names.values())} in {source}, got none."
        )
    return found


def note_shared_groups(videos: Mapping[str, Video], findings: Findings) -> None:
    """Notes the groups that the splits of the source share."""
    in_train = {video.group for video in videos.values() if video.split == "train"} - {None}
    shared = in_train & {video.group for video in videos.values() if video.split != "train"}
    if shared:
        names = sorted(str(group) for group in shared)
        findings.notes.append(f"the splits share {len(names)} groups: {listing(names, 5)}.")


def choices_once(choices: Sequence[str], repeated: list[str], where: str) -> tuple[str, ...]:
    """Returns choices in their one form, each once; the row of one that stands twice is added to `repeated`.

    The right answer is a text, so that it stays defined.
    """
    once = tuple(dict.fromkeys(map(normal_text, choices)))
    if len(once) < len(choices):
        repeated.append(where)
    return once


def note_repeated(repeated: Sequence[str], findings: Findings) -> None:
    """Notes the questions of which a choice stands twice."""
    if repeated:
        findings.notes.append(
            f"{len(repeated)} questions have a choice that stands twice: it is kept once ({listing(repeated, 3)})."
        )


def asked_at_the_end(queries: Sequence[Query], videos: Mapping[str, Video], findings: Findings) -> list[Query]:
    """Moves each query to the end of its video and cuts its evidence to it; copies and orphans are left out."""
    known = [query for query in queries if query.video in videos]
    kept, cut = [], 0
    for query in dict.fromkeys(known):
        end = round_seconds(videos[query.video].duration)
        evidence = tuple((start, min(stop, end)) for start, stop in query.evidence if start < end)
        cut += evidence != query.evidence
        kept.append(replace(query, time=end, evidence=evidence))
    if len(known) < len(queries):
        findings.notes.append(
            f"{len(queries) - len(known)} questions belong to videos that were skipped, and are skipped too."
        )
    if len(kept) < len(known):
        findings.notes.append(f"{len(known) - len(kept)} questions are exact copies of others and are left out.")
    if cut:
        findings.notes.append(f"the evidence of {cut} questions goes on after their video: it was cut to it.")
    return kept
