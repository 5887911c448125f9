"""Collects what an annotation tool has marked in videos, as a data set of its own or as new segments of another."""

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.fields import Row, listing, nearest
from vidseq.data.schema import FRAME_LABEL, NEXT_ACTION, DatasetInfo, Segment, Video
from vidseq.data.splits import assign_splits
from vidseq.data.video_names import videos_by_name
from vidseq.errors import DataError, UserError
from vidseq.importers.annotations import UNKNOWN, Annotations, VideoFiles
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.importers.init import PROPORTIONS, SPLITS, relative_path
from vidseq.video.folder import VIDEO_SUFFIXES, plain_name
from vidseq.video.probing import player_seconds

_LINE_BREAKS = re.compile(r"\s*[\r\n]+\s*")


class ToolVideos:
    """Finds the files of a tool, collects the videos and segments in them, and writes these as a data set.

    Args:
        layout: name of the layout, for the error.
        source: one of the tool's files, or a folder of them.
        out: the new data set.
        suffixes: how the names of the files end, such as (".eaf",).
        like: a data set that has the videos; it gives all that the tool does not know, and keeps its other segments.
        videos: the folder of the video files.
        split: the split of all videos; None: that of `like`, or drawn.
        skip_bad: leave bad rows out; otherwise the first raises.
        plays: whether the tool's times are those of a player, which counts from the first sound or picture of a file;
            with the file at hand they become times since its first picture.

    Raises:
        DataError: `like` is no sound data set, or the folder has no videos.
        FileNotFoundError: there are no such files, or `like` is no data set.
        UserError: several sources of durations are given, or the split is none.
    """

    def __init__(
        self,
        layout: str,
        source: Path,
        out: Path,
        suffixes: Sequence[str],
        *,
        like: Path | None,
        videos: Path | None,
        split: str | None,
        skip_bad: bool,
        plays: bool = True,
    ) -> None:
        self._source, out = Path(source), Path(out)
        self._tool_files = _tool_files(layout, self._source, suffixes)
        if like is not None and (videos is not None or split is not None):
            raise UserError(
                "like expects to be given alone, got videos or split beside it. The data set has both; leave them out."
            )
        if split is not None and split not in SPLITS:
            raise UserError(f"split expects one of {', '.join(SPLITS)}, got '{split}'.")
        self.findings = Findings(skip_bad)
        self._out, self._split = out, split
        self._like = None if like is None else Dataset.load(like)
        self._like_files = None if self._like is None else videos_by_name(self._like)
        self._files = VideoFiles(videos, out) if videos else None
        self._found = Annotations(self.findings)
        self._videos: dict[str, Video] = {}
        self._plays, self._late, self._early = plays, dict[str, float](), 0
        self._other_rates: dict[str, str] = {}
        self._media: dict[tuple[str, str], str] = {}
        self._originals: dict[str, str] = {}
        self._renamed: dict[str, None] = {}

    def read_files(self, read: Callable[[Path], None]) -> None:
        """Reads every file of the tool; what is wrong with a whole file goes to `findings`."""
        for path in self._tool_files:
            with self.findings.row():
                read(path)

    def add_video(
        self,
        row: Row,
        *names: str,
        duration: float | None = None,
        fps: Fraction | None = None,
        media: str | None = None,
    ) -> Video:
        """Adds a video, or finds it in `like`; another row of a known video adds nothing.

        Args:
            row: the row that names it.
            names: what the tool calls it, the best name first.
            duration: in seconds, if the tool knows it.
            fps: frame rate of the file, if the tool knows it.
            media: path or address of its file, if the tool knows it. Files of other folders are other videos, if one
                file of the tool names both.

        Returns:
            the video, with all that is known of it.

        Raises:
            DataError: `like` has no such video, or the folder has no such file.
        """
        media = media or ""
        names = tuple(dict.fromkeys(name for name in (*names, media_name(media)) if name))
        named_by_media = names[0] == media_name(media)
        if self._like is not None:
            folders = [*folder_names(media)][::-1] if named_by_media else []
            video = self._video_of_like(row, (*folders, *names))
            if video.video not in self._late:
                path = self._like.video_path(video.video)
                self._late[video.video] = 0.0 if path is None or not self._plays else player_seconds(path)
        else:
            name = self._own_name(row, names[0], media if named_by_media else "")
            video = Video(video=name, split=self._split or "train", duration=duration or UNKNOWN, fps=fps)
            video = self._videos.get(name) or self._with_file(row, video, (*names, _path(media) or names[0]))
        self._videos[video.video] = video
        self._found.add_video(row, video)
        return video

    def count_frames(self, video: Video, fps: Fraction) -> None:
        """Records the frame rate with which the tool counted; where the file has another one, the report says so."""
        if video.fps is not None and video.fps != fps:
            self._other_rates[video.video] = f"'{video.video}' has {video.fps} a second, the tool counted {fps}"

    def add_segment(self, row: Row, video: Video, start: float, end: float, label: str, track: str = "") -> None:
        """Adds a segment; line breaks in names become spaces, and spaces around names are dropped.

        Args:
            row: its row.
            video: of `add_video`.
            start: in seconds, by the clock of the tool.
            end: in seconds, by the clock of the tool.
            label: its action.
            track: who acts; empty: nobody in particular.

        Raises:
            DataError: the label is empty, or the segment does not start before it ends or ends before the first
                picture.
        """
        label, track = one_line(label), one_line(track)
        if not label:
            raise row.error(f"an action expects a label, got none at {start:.3f} s.")
        times = Row(row.where, {"start": start, "end": end})
        start, end = self._since_picture(row, video, times.seconds("start"), times.seconds("end"))
        self._found.add_segment(row, Segment(video=video.video, start=start, end=end, label=label, track=track))

    def _since_picture(self, row: Row, video: Video, start: float, end: float) -> tuple[float, float]:
        """Turns times of a player into times since the first picture.

        Raises:
            DataError: the interval ends before that.
        """
        late = self._late.get(video.video, 0.0)
        if late and start < end <= late:
            raise row.error(
                f"an action expects to end after the first picture of '{video.video}', which players show at "
                f"{late:.3f} s, got {start:.3f} s to {end:.3f} s."
            )
        self._early += start < late
        return max(0.0, start - late), max(0.0, end - late)

    def report(self, name: str, tool: str) -> ConversionReport:
        """Writes the data set.

        Args:
            name: of the data set; that of `like` wins.
            tool: name of the tool, for people.

        Raises:
            DataError: there is no video, or a row is bad.
        """
        videos, segments = self._found.finished()
        if self._other_rates:
            first = next(iter(self._other_rates.values()))
            self.findings.notes.append(
                f"{len(self._other_rates)} videos have another frame rate than the tool counted with, such as "
                f"{first}: times follow the tool."
            )
        self._note_clock()
        if self._renamed:
            self.findings.notes.append(
                f"{len(self._renamed)} videos have the names of others, of other folders or but for signs: their own "
                f"names are {listing(self._renamed, 3)}."
            )
        if self._like is not None:
            dataset = self._updated(self._like, videos, segments)
        else:
            dataset = self._new(name, f"{self._source.name}, {tool}", list(videos.values()), segments)
        return self.findings.report(dataset)

    def _note_clock(self) -> None:
        late = [video for video, seconds in self._late.items() if seconds]
        if late:
            self.findings.notes.append(
                f"{len(late)} videos begin with sound before their first picture ({listing(late, 3)}): times of the "
                "tool count from the sound, those of the data set from the picture."
            )
        if self._early:
            self.findings.notes.append(
                f"{self._early} actions begin before the first picture of their video: they were cut to it."
            )

    def _video_of_like(self, row: Row, names: Sequence[str]) -> Video:
        assert self._like is not None and self._like_files is not None
        known = self._like.videos
        by_file = (videos[0].video for name in names if len(videos := self._like_files.get(name, ())) == 1)
        found = next((name for name in (*names, *by_file, *map(plain_name, names)) if name in known), None)
        if found is None:
            raise row.error(
                f"expects a video of the data set '{self._like.info.name}', got '{names[0]}'."
                f"{nearest(names[0], known)}"
            )
        return known[found]

    def _own_name(self, row: Row, name: str, media: str) -> str:
        """Makes the name of a video plain, and its own.

        Other names stay other names, such as "cam 1" and "cam_1". Files of one name in two folders are two videos, if
        one file of the tool names both.
        """
        source, original, first = row.where.partition(":")[0], unicodedata.normalize("NFC", name), plain_name(name)
        numbered = (f"{first}-{number}" for number in itertools.count(2))
        for candidate in itertools.chain([first], map(plain_name, folder_names(media)), numbered):
            same_name = self._originals.setdefault(candidate, original) == original
            if same_name and self._media.setdefault((source, candidate), media) == media:
                break
        if candidate != first:
            self._renamed[candidate] = None
        return candidate

    def _with_file(self, row: Row, video: Video, names: Sequence[str]) -> Video:
        if self._files is None:
            return video
        try:
            file = self._files.look_up(*names[::-1], video.video)
        except ValueError as problem:
            raise row.error(str(problem)) from None
        self._late[video.video] = file.player_seconds if self._plays else 0.0
        return replace(video, path=file.path, duration=file.duration, fps=file.fps)

    def _new(self, name: str, source: str, videos: Sequence[Video], segments: Sequence[Segment]) -> Dataset:
        if self._split is None:
            splits = assign_splits([(video.video, video.video, None) for video in videos], PROPORTIONS, seed=0)
            videos = [replace(video, split=splits[video.video]) for video in videos]
        info = DatasetInfo(
            name=name,
            tasks={FRAME_LABEL: {}, NEXT_ACTION: {"anticipation_seconds": 1.0}},
            labels={"action": tuple(sorted({segment.label for segment in segments}))},
            source=source,
        )
        return write_dataset(self._out, info, videos, segments)

    def _updated(self, like: Dataset, videos: Iterable[str], segments: Sequence[Segment]) -> Dataset:
        """The data set `like` with new segments of those videos that the tool has marked."""
        marked = set(videos)
        untouched = [segment for segment in like.segments if segment.video not in marked]
        if len(marked) < len(like.videos):
            self.findings.notes.append(
                f"{len(like.videos) - len(marked)} videos of '{like.info.name}' are not among the files: they keep "
                f"their {len(untouched)} segments."
            )
        known = like.action_labels
        new = sorted({segment.label for segment in segments} - set(known))
        info = replace(like.info, labels={**like.info.labels, "action": (*known, *new)})
        moved = [_moved(video, like.folder, self._out) for video in like.videos.values()]
        return write_dataset(self._out, info, moved, [*untouched, *segments], like.queries)


def _moved(video: Video, folder: Path, out: Path) -> Video:
    return video if video.path is None else replace(video, path=relative_path(folder / video.path, out))


def one_line(text: str) -> str:
    """Turns line breaks into spaces, and drops spaces at both ends."""
    return _LINE_BREAKS.sub(" ", text).strip()


def clock_seconds(text: str) -> float:
    """Returns the seconds of a time such as "83.5", "01:23.500" or "0:01:23,500".

    Raises:
        ValueError: the text is no such time.
    """
    found = re.fullmatch(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,12}(?:[.,]\d{1,12})?)", text.strip(), re.ASCII)
    if found is None:
        raise ValueError(f"expects a time such as 00:01:23.500, got {text!r}")
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds.replace(",", "."))


def media_name(address: str) -> str:
    """Returns the name of a media file without folders and without the suffix of a video, from its path or address."""
    name = re.split(r"[/\\]", address.partition("?")[0] if "://" in address else address)[-1]
    name = unquote(name) if "://" in address or address.startswith("/") else name
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and dot + suffix.lower() in VIDEO_SUFFIXES else name


def folder_names(address: str) -> Iterator[str]:
    """Yields names of a media file with one folder, two folders and so on: of x/cam1/clip.mp4 cam1__clip first."""
    folders = [part for part in PurePosixPath(_path(address)).parent.parts if part.strip("/.")]
    for first in range(len(folders) - 1, -1, -1):
        yield "__".join([*folders[first:], media_name(address)])


def _path(address: str) -> str:
    """The path of a media file, with slashes, from its path or address."""
    path = unquote(address.partition("?")[0]) if "://" in address else address
    return path.replace("\\", "/")


def _tool_files(layout: str, source: Path, suffixes: Sequence[str]) -> list[Path]:
    """Finds the files of a tool; the arguments are those of `ToolVideos`."""
    if source.is_file():
        return [source]
    files = sorted(path for path in source.glob("*") if path.is_file() and path.suffix.lower() in suffixes)
    if not files:
        raise FileNotFoundError(
            f"The {layout} layout expects a file or a folder with files *{', *'.join(suffixes)}, got {source}, which "
            "has none."
        )
    return files


def refuse_newer(path: Path, tool: str, version: object, newest: int) -> None:
    """Refuses files of a version whose meaning is not known.

    Args:
        path: the file.
        tool: name of the tool.
        version: what the file says, such as "3.0"; only the part before the first dot counts.
        newest: the newest part before the dot that is known.

    Raises:
        DataError: the version is newer, or no version.
    """
    found = re.match(r"\s*(\d{1,9})", str(version))
    if found is None or int(found.group(1)) > newest:
        raise DataError(
            f"{path.name}: expects {tool} of a version up to {newest}, got version {version!r}. "
            f"{'Save it again with the tool.' if found is None else 'Export an older version.'}"
        )
