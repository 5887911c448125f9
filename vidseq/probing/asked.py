"""What is asked of a data set, as families of queries: its questions, next actions, and the labels of frames."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidseq.baselines.baseline_data import family_of
from vidseq.data.dataset import Dataset
from vidseq.data.examples import IGNORED, labels_of_video
from vidseq.data.schema import FRAME_LABEL, NEXT_ACTION, QUESTION, Query
from vidseq.data.visible import count_visible
from vidseq.features.store import FeatureStore

#: Fewer queries than this to learn from, or to answer, say nothing.
MIN_TRAINING, MIN_QUERIES = 40, 20
#: Of more queries a random part is used, in training and to answer: bounds time and memory.
MAX_TRAINING, MAX_QUERIES = 4000, 2000
#: Frames a video whose labels are asked, evenly spread.
_FRAMES_A_VIDEO = 60


@dataclass(frozen=True)
class Family:
    """Queries of one kind and family, to learn from and to answer."""

    kind: str
    name: str
    training: Sequence[Query]
    queries: Sequence[Query]

    @property
    def display_name(self) -> str:
        """Its kind and its name, once if they are the same."""
        return self.name if self.name == self.kind else f"{self.kind} {self.name}"

    @property
    def classes(self) -> list[str]:
        """The answers that training has, sorted."""
        return sorted({query.answer for query in self.training})

    def texts(self) -> list[str]:
        """The questions that are asked often enough in both splits for a row of their own, most frequent first."""
        learnt = Counter(query.question for query in self.training)
        asked = Counter(query.question for query in self.queries)
        return [
            text
            for text, count in learnt.most_common()
            if text and count >= MIN_TRAINING and asked[text] >= MIN_QUERIES
        ]

    def why_not(self) -> str:
        """Why it cannot be probed; "" if it can."""
        if len(self.training) < MIN_TRAINING:
            return f"{len(self.training)} queries to learn from, {MIN_TRAINING} are needed"
        if len(self.queries) < MIN_QUERIES:
            return f"{len(self.queries)} queries to answer, {MIN_QUERIES} are needed"
        if len(self.classes) < 2:
            return "training has a single answer"
        if len(self.classes) > len(self.training) / 2:
            return f"its {len(self.training)} training queries have {len(self.classes)} answers: they are no classes"
        return ""


def find_families(
    dataset: Dataset, store: FeatureStore, split: str, *, anticipation_seconds: float, limit: int | None, seed: int
) -> list[Family]:
    """Collects the families of a data set; next actions and frame labels come from segments.

    Args:
        dataset: the data set.
        store: its features; queries before the first sample, or of videos without features, are left out.
        split: the split to answer.
        anticipation_seconds: time from a next-action query to the action, where the data set does not ask itself.
        limit: largest number of queries of a family in each split; None: as many as memory allows.
        seed: of the choice of queries where there are more.
    """
    found: defaultdict[tuple[str, str], dict[str, list[Query]]] = defaultdict(lambda: {"train": [], split: []})
    for query in _queries(dataset, store, anticipation_seconds):
        name = dataset.videos[query.video].split
        if name in ("train", split):
            found[query.kind, family_of(query)][name].append(query)
    generator = np.random.default_rng(seed)
    most = [min(bound, limit or bound) for bound in (MAX_TRAINING, MAX_QUERIES)]
    return [
        Family(kind, name, _some(queries["train"], most[0], generator), _some(queries[split], most[1], generator))
        for (kind, name), queries in found.items()
    ]


def _queries(dataset: Dataset, store: FeatureStore, anticipation_seconds: float) -> list[Query]:
    queries = [query for query in dataset.queries if query.kind in (QUESTION, NEXT_ACTION)]
    if dataset.segments and NEXT_ACTION not in dataset.query_kinds:
        queries += dataset.next_action_queries(anticipation_seconds)
    times = {video: store.read(video).pts_seconds for video in dataset.videos if video in store}
    asked = [query for query in queries if query.video in times and count_visible(times[query.video], query.time)]
    if dataset.segments:
        asked += [query for video, seconds in times.items() for query in _frame_labels(dataset, video, seconds)]
    return asked


def _frame_labels(dataset: Dataset, video: str, times: np.ndarray) -> list[Query]:
    """Asks for the labels of some frames of a video; frames without a label are left out."""
    labels = dataset.action_labels
    classes = labels_of_video(dataset, video, times).numpy()
    frames = np.unique(np.linspace(0, len(times) - 1, min(_FRAMES_A_VIDEO, len(times))).round().astype(int))
    return [
        Query(video=video, time=float(times[frame]), kind=FRAME_LABEL, answer=labels[classes[frame]])
        for frame in frames
        if classes[frame] != IGNORED
    ]


def _some(queries: Sequence[Query], most: int, generator: np.random.Generator) -> list[Query]:
    if len(queries) <= most:
        return list(queries)
    return [queries[index] for index in np.sort(generator.permutation(len(queries))[:most])]
