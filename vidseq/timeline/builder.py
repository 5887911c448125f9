"""Collects what is known about videos, from any number of sources, and makes a timeline of it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vidseq.data.dataset import Dataset
from vidseq.data.fields import TIME_DECIMALS, nearest
from vidseq.data.schema import Query
from vidseq.data.video_names import videos_by_name
from vidseq.errors import DataError
from vidseq.timeline.content import FORECAST, TRUTH, Answer, Bar, Line, Timeline, TimelineQuery, TimelineVideo
from vidseq.video.probing import player_seconds

#: Videos of a page, unless others are named.
MAX_VIDEOS = 50
#: The length of a video of which nothing is known that lasts, in seconds.
_MIN_SECONDS = 0.1

_Key = tuple[float, str, str | None]


class TimelineBuilder:
    """Collects lines and answers by video.

    Args:
        dataset: the data set of the videos, which has the truth; None: there is none.
        files: the files of videos by name, where no data set names them.
    """

    def __init__(self, dataset: Dataset | None = None, files: Mapping[str, Path] | None = None) -> None:
        self._dataset, self._files = dataset, files or {}
        self._names = None if dataset is None else videos_by_name(dataset)
        self._videos: dict[str, _Collected] = {}
        self._notes: dict[str, None] = {}

    def add_video(self, name: str) -> None:
        """Shows a video, whatever is known about it.

        Raises:
            DataError: the data set does not have it.
        """
        self._find(name)

    def add_line(self, video: str, line: Line) -> None:
        """Adds a line of bars; errors as in `add_video`."""
        self._find(video).lines.append(line)

    def add_answer(
        self, video: str, answer: Answer, *, time: float, kind: str, question: str | None, truth: str | None
    ) -> None:
        """Adds what a model answers to a query; errors as in `add_video`.

        Args:
            video: its name.
            answer: of the model.
            time: of the query, in seconds.
            kind: of the query.
            question: of the query; None: the standing one.
            truth: the right answer; None: it is not known.
        """
        self._find(video).add_answer(answer, (round(time, TIME_DECIMALS), kind, question), truth)

    def add_note(self, note: str) -> None:
        """Adds a sentence that the reader has to know, once."""
        self._notes[note] = None

    def build(self, title: str, videos: Sequence[str] = (), limit: int = MAX_VIDEOS) -> Timeline:
        """Makes the timeline.

        Args:
            title: of the page.
            videos: those to show; none: the first ones, in the order of the data set or in which they were added.
            limit: most videos, where none are named.

        Raises:
            DataError: nothing was added about a video.
        """
        every = self._in_order()
        for name in videos:
            if name not in self._videos:
                raise DataError(f"A timeline expects videos that it is given, got '{name}'.{nearest(name, every)}")
        shown = list(videos) or every[:limit]
        if len(shown) < len(every) and not videos:
            self.add_note(f"{len(shown)} of {len(every)} videos are shown. `vidseq timeline --video` shows others.")
        return Timeline(
            title=title,
            videos=[self._video(name) for name in shown],
            labels=() if self._dataset is None else self._dataset.action_labels,
            notes=list(self._notes),
        )

    def _in_order(self) -> list[str]:
        if self._dataset is None:
            return list(self._videos)
        return [name for name in self._dataset.videos if name in self._videos]

    def _find(self, name: str) -> "_Collected":
        if self._names is not None:
            found = [video.video for video in self._names.get(name, ())]
            if len(found) != 1:
                hint = "" if found else nearest(name, self._names)
                raise DataError(
                    f"A timeline expects names of the data set's videos, got '{name}', the name of {len(found)}.{hint}"
                )
            name = found[0]
        if name not in self._videos:
            self._videos[name] = _Collected(() if self._dataset is None else self._dataset.queries_of(name))
        return self._videos[name]

    def _video(self, name: str) -> TimelineVideo:
        collected = self._videos[name]
        if self._dataset is None:
            media = self._files.get(name)
            return TimelineVideo(
                name=name,
                duration=collected.duration,
                media=media,
                player_seconds=0.0 if media is None else player_seconds(media),
                lines=collected.lines,
                queries=collected.queries,
            )
        path = self._dataset.video_path(name)
        return TimelineVideo(
            name=name,
            duration=self._dataset.videos[name].duration,
            media=path if path is not None and path.is_file() else None,
            player_seconds=0.0 if path is None else player_seconds(path),
            lines=[*true_lines(self._dataset, name), *collected.lines],
            queries=collected.queries,
        )


class _Collected:
    """What is known about a video. The answers to one query stand together."""

    def __init__(self, known: Iterable[Query]) -> None:
        self._evidence = {
            (round(query.time, TIME_DECIMALS), query.kind, query.question): query.evidence for query in known
        }
        self._queries: dict[tuple[_Key, str | None], TimelineQuery] = {}
        self.lines: list[Line] = []

    def add_answer(self, answer: Answer, key: _Key, truth: str | None) -> None:
        time, kind, question = key
        evidence = self._evidence.get(key, ())
        query = TimelineQuery(time=time, kind=kind, question=question, truth=truth, evidence=evidence)
        self._queries.setdefault((key, truth), query).answers.append(answer)

    @property
    def queries(self) -> list[TimelineQuery]:
        """All queries by time."""
        return sorted(self._queries.values(), key=lambda query: query.time)

    @property
    def duration(self) -> float:
        """When the last segment ends or the last query is asked, if forecasts are left out."""
        ends = [bar.end for line in self.lines if line.role != FORECAST for bar in line.bars]
        return max([*ends, *(query.time for query in self.queries), _MIN_SECONDS])


def true_lines(dataset: Dataset, video: str) -> list[Line]:
    """Returns the true segments of a video, a line for each track.

    Raises:
        DataError: the data set has no such video.
    """
    segments = dataset.segments_of(video)
    return [
        Line(
            name=f"truth · {track}" if track else "truth",
            role=TRUTH,
            bars=[Bar(start=item.start, end=item.end, label=item.label) for item in segments if item.track == track],
        )
        for track in sorted({item.track for item in segments})
    ]
