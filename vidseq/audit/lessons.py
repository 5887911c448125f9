"""What probes learn from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vidseq.data.schema import Query
from vidseq.data.visible import Past, past_of

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore


class Lessons:
    """Training queries with their pasts, and the classes of each kind.

    Args:
        dataset: what is asked.
        store: its features.
        queries: of the training split, of any kinds.
    """

    def __init__(self, dataset: "Dataset", store: "FeatureStore", queries: Sequence[Query]) -> None:
        self.dataset = dataset
        self.queries = queries
        self._store = store
        self._read: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def past(self, query: Query) -> Past:
        """What was seen up to a query; at least one frame."""
        if query.video not in self._read:
            video = self._store.read(query.video)
            self._read[query.video] = np.asarray(video.features), np.asarray(video.pts_seconds)
        past = past_of(*self._read[query.video], query.time)
        return past if len(past.pts_seconds) else Past(*(part[:1] for part in self._read[query.video]))

    def of_kind(self, kind: str) -> list[Query]:
        """The queries of a kind whose answer is a class."""
        classes = set(self.classes(kind))
        return [query for query in self.queries if query.kind == kind and query.answer in classes]

    def classes(self, kind: str) -> tuple[str, ...]:
        """The answers that there are."""
        return self.dataset.answer_labels if kind == "question" else self.dataset.action_labels

    @property
    def kinds(self) -> list[str]:
        """The kinds of query that are asked."""
        return list(dict.fromkeys(query.kind for query in self.queries))
