"""What the rows of an annotation file say of videos, gathered and put in order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vidseq.data.fields import Row, listing
from vidseq.data.format import round_seconds
from vidseq.data.schema import Query, Segment, Video
from vidseq.errors import DataError
from vidseq.importers.conversion import Findings
from vidseq.importers.init import probe_whole, relative_path, video_paths
from vidseq.progress import progress


@dataclass(frozen=True, kw_only=True)
class VideoFile:
    """A video file, and what it tells of itself."""

    path: str
    """As the data set will name it."""
    duration: float
    fps: Fraction


class VideoFiles:
    """The video files in a folder and the folders in it, by name without suffix.

    Args:
        folder: where to look.
        out: the data set that will name them.

    Raises:
        DataError: there are none.
    """

    def __init__(self, folder: Path, out: Path) -> None:
        self._folder, self._out = folder, out
        self._paths: dict[str, list[Path]] = {}
        for path in video_paths(folder):
            self._paths.setdefault(path.stem, []).append(path)

    def look_up(self, *names: str) -> VideoFile:
        """Finds the file of a video and looks at it.

        Args:
            names: what it may be called, without suffix; the first that is there counts.

        Raises:
            DataError: there is none, or there are several.
            VideoError: it cannot be read.
        """
        found = next((self._paths[name] for name in names if name in self._paths), [])
        if len(found) != 1:
            got = f"{len(found)}: {listing([str(path) for path in found], 3)}" if found else "none"
            raise DataError(f"expects one video file '{names[0]}' in {self._folder}, got {got}.")
        info = probe_whole(found[0])
        return VideoFile(
            path=relative_path(found[0], self._out), duration=round_seconds(info.duration_seconds), fps=info.fps
        )


@dataclass(frozen=True)
class _Found:
    where: str
    video: Video
    file_names: Sequence[str]


#: The duration of a video that no row tells.
UNKNOWN = 0.0


class Annotations:
    """Videos and segments as rows tell of them.

    A video whose duration no row and no file tells ends with its last segment. Segments are cut to their video, exact
    copies of segments are left out; `findings` hears of all of it.

    Args:
        findings: told of what is wrong, and of what was decided.
        files: the video files, where they are at hand.
        copies: whether copies stay, where each row is one of a benchmark.
    """

    def __init__(self, findings: Findings, files: VideoFiles | None = None, *, copies: bool = False) -> None:
        self._findings, self._files, self._copies = findings, files, copies
        self._videos: dict[str, _Found] = {}
        self._segments: list[tuple[str, Segment]] = []

    def add_video(self, row: Row, video: Video, *, file_names: Sequence[str] = (), once: bool = False) -> None:
        """Takes a video, or another row of one that is known.

        Args:
            row: where it stands.
            video: with the duration `UNKNOWN` where that is so.
            file_names: what its file may be called, without suffix, if not like the video.
            once: whether it may have one row only.

        Raises:
            DataError: it stands in two splits, or in two rows.
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
        """Takes a segment of a video that is known.

        Raises:
            DataError: it does not start before it ends.
        """
        start, end = round_seconds(segment.start), round_seconds(segment.end)
        if start >= end:
            raise row.error(
                f"an action expects to start before it ends, got {segment.start:.3f} s to {segment.end:.3f} s."
            )
        self._segments.append((row.where, replace(segment, start=start, end=end)))

    def finished(self) -> tuple[dict[str, Video], list[Segment]]:
        """All videos and segments, in the order they came.

        Raises:
            DataError: there is not a single video, nor a bad row that may have told of one.
        """
        if not self._videos and not self._findings.skipped:
            raise DataError("The source expects to tell of a video, got none. Check that its files have rows.")
        videos = dict(self._with_files()) if self._files else {name: item.video for name, item in self._videos.items()}
        videos = self._with_durations(videos)
        within = self._within(videos)
        return videos, list(within if self._copies else self._once(within))

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
        """The videos, those of unknown duration ending with their last segment."""
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
            self._findings.notes.append(
                f"the duration of {len(ends)} videos is not known: the end of their last action stands."
            )
        kept = {name: video for name, video in videos.items() if video.duration != UNKNOWN or name in ends}
        return {name: replace(video, duration=ends.get(name, video.duration)) for name, video in kept.items()}

    def _within(self, videos: Mapping[str, Video]) -> Iterator[Segment]:
        """The segments of the videos that are there, cut to them."""
        cut, homeless = 0, 0
        most = 0.0
        for where, segment in self._segments:
            video = videos.get(segment.video)
            if video is None:
                homeless += 1
                continue
            duration = round_seconds(video.duration)
            if segment.start >= duration:
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
        if homeless:
            self._findings.notes.append(f"{homeless} actions of videos that were skipped went with them.")

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
                f"{len(copies)} actions are exact copies of others and stand once: {listing(copies, 3)}."
            )


def split_files(layout: str, source: Path, names: Mapping[str, str]) -> list[tuple[str, Path]]:
    """The files of the splits that are there.

    Args:
        layout: named in the error.
        source: a folder, or one of the files.
        names: the file of each split.

    Raises:
        FileNotFoundError: none of them is there.
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
    """Tells of groups that the splits of the source share."""
    in_train = {video.group for video in videos.values() if video.split == "train"} - {None}
    shared = in_train & {video.group for video in videos.values() if video.split != "train"}
    if shared:
        names = sorted(str(group) for group in shared)
        findings.notes.append(f"the splits share {len(names)} groups: {listing(names, 5)}.")


def asked_at_the_end(queries: Sequence[Query], videos: Mapping[str, Video], findings: Findings) -> list[Query]:
    """The queries of the videos that are there, each at the end of its video, evidence cut to it, copies once."""
    at_home = [query for query in queries if query.video in videos]
    kept, cut = [], 0
    for query in dict.fromkeys(at_home):
        end = round_seconds(videos[query.video].duration)
        evidence = tuple((start, min(stop, end)) for start, stop in query.evidence if start < end)
        cut += evidence != query.evidence
        kept.append(replace(query, time=end, evidence=evidence))
    if len(at_home) < len(queries):
        findings.notes.append(f"{len(queries) - len(at_home)} questions of videos that were skipped went with them.")
    if len(kept) < len(at_home):
        findings.notes.append(f"{len(at_home) - len(kept)} questions are exact copies of others and stand once.")
    if cut:
        findings.notes.append(f"the evidence of {cut} questions goes on after their video: it was cut to it.")
    return kept
