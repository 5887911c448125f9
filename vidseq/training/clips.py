"""The batches of training: clips of videos, with the queries that are asked of each."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from vidseq.clip_reader import QueryBatch
from vidseq.data.batch import pad_features, pad_labels
from vidseq.data.dataset import Dataset
from vidseq.data.examples import IGNORED, Examples
from vidseq.data.question_source import QuestionSource
from vidseq.data.schema import Query
from vidseq.data.visible import count_visible, visible_span
from vidseq.features.store import FeatureStore
from vidseq.language.question import pad_tokens
from vidseq.model import VideoReasoner
from vidseq.tasks import DenseTask, QueryTask, Task, of_family
from vidseq.video.sampling import SAME_TIME_SECONDS

#: Features are kept in memory up to this many bytes; beyond, the frames of each clip are read from disk.
MAX_BYTES_KEPT = 2**30

#: A drawn query that sees a frame comes at least this many seconds before the next one.
BEFORE_NEXT = 2 * SAME_TIME_SECONDS


@dataclass(frozen=True)
class Batch:
    """Clips, padded, with their queries and labels."""

    features: Tensor
    """(B, T, F)."""
    mask: Tensor
    """bool (B, T), True = valid."""
    asked: dict[str, QueryBatch]
    """The queries of each asked task that has some."""
    targets: dict[str, Tensor]
    """What each task should give: N first for its queries, long (B, T) for frames; asked tasks come first."""
    valid: dict[str, Tensor]
    """What counts of each task: what its queries may be answered with, N first, or which frames there are (B, T)."""
    whole: bool
    """Whether clips must be read to their ends, since their frames have labels."""
    videos: tuple[str, ...]
    """The video of each clip, (B,)."""

    def to(self, device: torch.device) -> "Batch":
        """The batch on another device."""

        def move(parts: dict[str, Tensor]) -> dict[str, Tensor]:
            return {task: part.to(device) for task, part in parts.items()}

        return Batch(
            self.features.to(device),
            self.mask.to(device),
            {task: replace(asked, tokens=asked.tokens.to(device)) for task, asked in self.asked.items()},
            move(self.targets),
            move(self.valid),
            self.whole,
            self.videos,
        )


@dataclass(frozen=True)
class Clip:
    """Frames [start, stop) of a video, with queries."""

    start: int
    stop: int
    asked: tuple[tuple[int, Query], ...] = ()
    """Each query with the number of the video's frames up to its time, in the order in which they are asked."""

    @property
    def cuts(self) -> tuple[int, ...]:
        """The numbers of the video's frames after which there are queries, each once."""
        return tuple(dict.fromkeys(cut for cut, _ in self.asked))


@dataclass(frozen=True)
class ClipVideo:
    """A video that clips are cut from."""

    video: str
    pts_seconds: np.ndarray
    """Time of each frame, float64 (T,)."""
    queries: list[Query]
    """The queries, sorted by time."""
    features: Tensor | None
    """float32 (T, D); None: they stay on disk."""

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.pts_seconds)


class ClipDataset:
    """The videos of a split with their queries grouped by the frames that they may see.

    Args:
        examples: videos with features and all that is asked of them.
        model: its tasks choose queries and make targets of them.
        source: draws further queries for training; None: there are only the listed ones. A model that is asked nothing
            has no use for it.
    """

    def __init__(self, examples: Examples, model: VideoReasoner, source: QuestionSource | None = None) -> None:
        self.examples = examples
        self._asked_tasks = of_family(model.tasks.values(), QueryTask)
        self.source = source if self._asked_tasks else None
        self._dense_tasks = of_family(model.tasks.values(), DenseTask)
        self._kinds = {task.query_kind for task in self._asked_tasks.values()}
        self._vocabulary = model.vocabulary
        self._kept: dict[int, ClipVideo] = {}
        self._frame_targets: dict[tuple[str, int], Tensor] = {}
        self._cuts: dict[int, dict[int, list[Query]]] = {}
        self._bytes = 0

    def __getitem__(self, index: int) -> ClipVideo:
        """A video; it is read once."""
        if index not in self._kept:
            example = self.examples[index]
            self._bytes += example.features.nbytes
            features = example.features if self._bytes <= MAX_BYTES_KEPT else None
            self._kept[index] = ClipVideo(example.video, example.pts_seconds, example.queries, features)
        return self._kept[index]

    def features(self, index: int, start: int = 0, stop: int | None = None) -> Tensor:
        """The features of frames [start, stop) of a video, float32, from memory if they are there."""
        video = self[index]
        stop = len(video) if stop is None else stop
        return self.examples.frames(index, start, stop) if video.features is None else video.features[start:stop]

    @property
    def dense(self) -> bool:
        """Whether frames have labels to learn."""
        return bool(self._dense_tasks)

    @cached_property
    def videos(self) -> list[int]:
        """The videos that have queries or labelled frames."""
        indices = range(len(self.examples))
        if self.source is not None:
            return [*indices]
        return [index for index in indices if self.cuts(index) or self._is_labelled(index)]

    def cuts(self, index: int) -> dict[int, list[Query]]:
        """The queries of a video by the number of frames up to their time; those of other tasks are left out."""
        if index not in self._cuts:
            example = self[index]
            cuts: defaultdict[int, list[Query]] = defaultdict(list)
            for query in example.queries:
                if query.kind in self._kinds:
                    cuts[count_visible(example.pts_seconds, query.time)].append(query)
            self._cuts[index] = dict(sorted(cuts.items()))
        return self._cuts[index]

    def draw(self, index: int, start: int, cut: int, count: int, rng: np.random.Generator) -> list[Query]:
        """Draws queries for training, at a time between two frames of a video.

        Args:
            index: the video.
            start: the first frame of the clip, which must suffice for the answers.
            cut: up to how many of the video's frames the queries see, above `start`.
            count: most queries wanted; there are fewer where little can be asked, and none without a source.
            rng: decides the time and all else.
        """
        if self.source is None:
            return []
        example = self[index]
        newest, following = float(example.pts_seconds[cut - 1]), example.pts_seconds[cut : cut + 1]
        time = newest if len(following) == 0 else rng.uniform(newest, max(newest, float(following[0]) - BEFORE_NEXT))
        since = float(example.pts_seconds[start]) if start else -math.inf
        drawn = self.source.draw(example.video, round(time, 3), count, rng, since=since)
        return [query for query in drawn if query.kind in self._kinds]

    def whole(self, index: int) -> Clip:
        """The whole video with all of its queries."""
        cuts = tuple(self.cuts(index))
        return self.clip(index, 0, len(self[index]) if self.dense else max((1, *cuts)), cuts)

    def clip(self, index: int, start: int, stop: int, cuts: Sequence[int]) -> Clip:
        """Frames [start, stop) of a video with its queries after some numbers of its frames."""
        return Clip(start, stop, tuple((cut, query) for cut in cuts for query in self.cuts(index)[cut]))

    def spans_at(
        self, index: int, cut: int, context_seconds: float, frames: int | None, drawn: Sequence[Query] = ()
    ) -> list[Clip]:
        """Clips that show the queries after so many frames what each sees within a context, counted from its own time.

        Args:
            index: the video.
            cut: after how many of its frames, at least 1.
            context_seconds: see `visible_span`.
            frames: see `visible_span`.
            drawn: further queries after so many frames.

        Returns:
            one clip for each start; where nothing is asked, one that counts from the newest frame.
        """
        times = self[index].pts_seconds
        queries = [*self.cuts(index).get(cut, ()), *drawn]
        if not queries:
            newest = float(times[cut - 1])
            return [Clip(visible_span(times[:cut], newest, context_seconds=context_seconds, frames=frames)[0], cut)]
        asked: defaultdict[tuple[int, int], list[tuple[int, Query]]] = defaultdict(list)
        for query in queries:
            span = visible_span(times, query.time, context_seconds=context_seconds, frames=frames)
            asked[span].append((cut, query))
        return [Clip(*span, tuple(queries)) for span, queries in asked.items()]

    def batch(self, clips: Sequence[tuple[int, Clip]], *, dense: bool = True) -> Batch:
        """Puts clips of videos, each given by its index, into one batch, with labels of frames or without."""
        features, mask = pad_features([self.features(index, clip.start, clip.stop) for index, clip in clips])
        found = [(row, cut - clip.start, query) for row, (_, clip) in enumerate(clips) for cut, query in clip.asked]
        items = {
            name: [item for item in found if item[2].kind == task.query_kind]
            for name, task in self._asked_tasks.items()
        }
        items = {name: own for name, own in items.items() if own}
        queries = {name: [query for _, _, query in own] for name, own in items.items()}
        targets = {name: self._asked_tasks[name].targets(own) for name, own in queries.items()}
        valid = {name: self._asked_tasks[name].offered(own) for name, own in queries.items()}
        for name in self._dense_tasks if dense else ():
            targets[name] = pad_labels([self.labels(name, index)[clip.start : clip.stop] for index, clip in clips])
            valid[name] = mask
        videos = tuple(self[index].video for index, _ in clips)
        asked = {name: self._asked(own) for name, own in items.items()}
        return Batch(features, mask, asked, targets, valid, self.dense and dense, videos)

    def targets_of(self, task: str) -> Iterator[Tensor]:
        """A task's targets of each video, as batches hold them, one video at a time."""
        for index in self.videos:
            if task in self._dense_tasks:
                yield self.labels(task, index)
            else:
                asked = self._asked_tasks[task]
                own = [query for queries in self.cuts(index).values() for query in queries]
                own = [query for query in own if query.kind == asked.query_kind]
                if own:
                    yield asked.targets(own)

    def _asked(self, items: Sequence[tuple[int, int, Query]]) -> QueryBatch:
        rows, frames, queries = zip(*items)
        return QueryBatch(rows, frames, pad_tokens([self._vocabulary.encode(query.question) for query in queries]))

    def labels(self, task: str, index: int) -> Tensor:
        """The class of each frame of a video, long (T,), made once."""
        if (task, index) not in self._frame_targets:
            example, dense = self[index], self._dense_tasks[task]
            made = dense.targets(self.examples.dataset, example.video, example.pts_seconds, dense.labels)
            self._frame_targets[task, index] = made
        return self._frame_targets[task, index]

    def _is_labelled(self, index: int) -> bool:
        return any(bool((self.labels(task, index) != IGNORED).any()) for task in self._dense_tasks)


def make_clip_dataset(
    dataset: Dataset,
    store: FeatureStore,
    split: str,
    model: VideoReasoner,
    source: QuestionSource | None = None,
) -> ClipDataset:
    """Makes the clip dataset of a split for a model.

    Args:
        dataset: the videos and queries.
        store: their features.
        split: which videos.
        model: its tasks derive queries where the data set has none.
        source: draws further queries for training.
    """
    tasks = [model.find_task(name) for name in model.tasks]
    # Not a function inside this one: spawned processes receive the clip dataset as a pickle.
    derive = partial(_derive_queries, tasks, dataset)
    return ClipDataset(Examples(dataset, store, split, derive=derive), model, source)


def _derive_queries(tasks: Sequence[Task], dataset: Dataset, video: str) -> list[Query]:
    """Of two tasks that answer one kind, the one that derives more queries derives those of both."""
    derived: dict[str, list[Query]] = {}
    for task in tasks:
        queries = task.derive_queries(dataset, video)
        if len(queries) > len(derived.get(task.query_kind, ())):
            derived[task.query_kind] = queries
    return [query for queries in derived.values() for query in queries]
