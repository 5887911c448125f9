"""Tasks that forecast the future after a time."""

import abc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from vidseq.data.action_sequences import Future, actions_at, derive_action_sequences, evenly
from vidseq.data.dataset import Dataset
from vidseq.data.schema import FUTURE, Query
from vidseq.errors import UserError
from vidseq.tasks.asked import QueryTask
from vidseq.tasks.base import TaskOptions
from vidseq.tasks.prediction import Prediction, Ranking

#: Number of sampled futures behind the probabilities of the most probable future's actions.
NUM_FUTURES = 50


@dataclass(frozen=True, kw_only=True)
class FutureOptions(TaskOptions):
    """Options of every task that forecasts the future."""

    queries_per_video: int = 16
    """Number of training queries of each video."""
    stretch: float = 0.3
    """How much the lengths of segments vary where observed labels are learnt: the deviation of their logarithms."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.stretch <= 2:
            raise UserError(f"A task that forecasts expects stretch from 0 to 2, got {self.stretch}.")


class FutureTask(QueryTask):
    """A task whose right answer is the text of a future; see `vidseq.data.action_sequences`.

    Evaluation leaves its queries out. `vidseq.forecasting` has the metrics of futures.
    """

    query_kind = FUTURE
    label_kind = "action"
    needs = "segments"
    trained_by_default = False
    scored = False
    given_length: ClassVar[bool]
    """Whether `class_shares` must know when the video ends, as the published protocol allows."""
    Options = FutureOptions
    options: FutureOptions

    @classmethod
    def fits(cls, dataset: Dataset) -> bool:
        """Whether the data set has segments or future queries."""
        return FUTURE in dataset.query_kinds or bool(dataset.segments)

    def derive_queries(self, dataset: Dataset, video: str) -> list[Query]:
        """Future queries at times that are spread evenly over the segments."""
        segments = dataset.segments_of(video)
        return derive_action_sequences(segments, evenly(segments, self.options.queries_per_video)) if segments else []

    @property
    def answer_classes(self) -> tuple[str, ...]:
        """None: the answer is a future."""
        return ()

    @abc.abstractmethod
    def class_shares(self, decoded: Tensor, seconds: np.ndarray, remaining: float) -> np.ndarray:
        """The probability of each class at future moments.

        Args:
            decoded: the output of `Predictor.decoded` for one query, (1, ...).
            seconds: times from the query on, (P,).
            remaining: seconds from the query to the end of the video; what has no use for it leaves it out.

        Returns:
            (P, C).
        """

    def offered(self, queries: Sequence[Query]) -> Tensor:
        """No classes, because the answer is a future; bool (N, 0)."""
        return torch.zeros(len(queries), 0, dtype=torch.bool)

    def answer(self, decoded: Tensor, queries: Sequence[Query], *, beam: int | None = None) -> Tensor:
        """Refuses.

        Raises:
            UserError: always.
        """
        raise UserError(
            f"Predictor expects queries that are answered with a class or in words, got one for {self.name}, which "
            f"forecasts. Call futures, likeliest_future or decoded."
        )

    def rank(self, decoded: Tensor, queries: Sequence[Query], top: int) -> list[Ranking]:
        """Refuses, as `answer` does."""
        self.answer(decoded, queries)
        return []


class SequenceTask(FutureTask):
    """A task that writes futures: actions with their durations."""

    asked_with = "futures_at"
    given_length = False

    def class_shares(self, decoded: Tensor, seconds: np.ndarray, remaining: float) -> np.ndarray:
        """The share of `NUM_FUTURES` drawn futures that have each class; see `FutureTask.class_shares`."""
        generator = torch.Generator(decoded.device).manual_seed(0)
        drawn = [future for future in self.draw(decoded, NUM_FUTURES, generator=generator)[0] if future]
        index_of = {label: index for index, label in enumerate(self.labels)}
        shares = np.zeros((len(seconds), len(self.labels)))
        for future in drawn:
            classes = np.array([index_of[label] for label, _ in future])
            shares[np.arange(len(seconds)), classes[actions_at(future, seconds)]] += 1
        return shares / len(drawn) if drawn else np.full_like(shares, 1 / len(self.labels))

    @abc.abstractmethod
    def likeliest(self, decoded: Tensor) -> list[Future]:
        """The future of each row of (N, D), with the most probable token at each step."""

    @abc.abstractmethod
    def draw(
        self, decoded: Tensor, num_futures: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> list[list[Future]]:
        """Samples futures.

        Args:
            decoded: the decoder's context vectors, (N, D).
            num_futures: the number of futures of each row, K.
            temperature: see `vidseq.language.sampling.filter_log_probs`.
            generator: the random number generator; None: torch's default.

        Returns:
            K futures of each row.
        """

    def predict(self, decoded: Tensor, queries: Sequence[Query], top: int) -> list[list[Prediction]]:
        """A row for each action of the most probable future. `NUM_FUTURES` samples give its probability."""
        rows = []
        for row, query in zip(decoded.split(1), queries):
            generator = torch.Generator(decoded.device).manual_seed(0)
            (likeliest,), (drawn,) = self.likeliest(row), self.draw(row, NUM_FUTURES, generator=generator)
            rows.append(future_rows(query.video, query.time, likeliest, drawn, top))
        return rows


def future_rows(video: str, time: float, likeliest: Future, drawn: Sequence[Future], top: int) -> list[Prediction]:
    """One row for each action of the most probable future.

    Args:
        video: the video's name in the rows.
        time: start of the future in seconds; the action at that time is the first row.
        likeliest: the most probable future.
        drawn: sampled futures. The probability of an action is the share of them that have its label in the middle
            of its time. Empty futures are left out.
        top: the number of labels in the ranking.
    """
    rows, start = [], 0.0
    for label, seconds in likeliest:
        shares = label_shares(drawn, start + seconds / 2)
        rows.append(
            Prediction(
                video=video,
                time=time + start,
                end=time + start + seconds,
                kind=FUTURE,
                question=f"What happens from {time:.3f} s on?",
                answer=label,
                probability=dict(shares).get(label, 0.0),
                ranking=shares[:top],
            )
        )
        start += seconds
    return rows


def label_shares(futures: Sequence[Future], after: float) -> Ranking:
    """The share of futures that have each label at a time, largest first.

    The last action continues after a future's end.

    Args:
        futures: the futures; empty ones are left out.
        after: seconds from now.
    """
    now = np.array([after])
    counts = Counter(future[int(actions_at(future, now)[0])][0] for future in futures if future)
    return tuple((label, count / counts.total()) for label, count in counts.most_common())
