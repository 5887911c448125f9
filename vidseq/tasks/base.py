"""The base class of tasks. A task is one thing that a model is trained for.

Each task is one class in one file. The model, the training loop, prediction and evaluation call the methods below and
use no task's name. A task belongs to one of two families:

* `vidseq.tasks.dense.DenseTask` gives each frame a class, from the head's output at that frame;
* `vidseq.tasks.asked.QueryTask` answers queries: a query vector reads the memory, and a decoder makes the answer.
"""

import abc
import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn
from torch.nn import functional

from vidseq.data.dataset import Dataset
from vidseq.data.examples import IGNORED
from vidseq.data.schema import Query
from vidseq.errors import UserError, unknown_name
from vidseq.language.written import Written
from vidseq.tasks.calibration import ScoredAnswers
from vidseq.tasks.prediction import Prediction, Ranking, answer_row


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """The options that every task has."""

    weight: float = 1.0
    """Factor of the task's loss in the sum over the tasks."""
    label_smoothing: float = 0.0
    """Share of the target's probability that is spread over all classes, 0 to below 1."""

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise UserError(f"A task expects a weight above 0, got {self.weight}.")
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"A task expects label_smoothing from 0 to below 1, got {self.label_smoothing}.")


Options = TypeVar("Options", bound=TaskOptions)


def make_options(task: str, kind: type[Options], values: Mapping[str, object]) -> Options:
    """Makes a task's options from a mapping.

    Raises:
        UserError: an option that does not exist, or a value that does not fit.
    """
    known = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in known:
            raise unknown_name(f"{task} option", key, known)
        expected = type(known[key].default)
        allowed = (int, float) if expected is float else expected
        if not isinstance(value, allowed) or (isinstance(value, bool) and expected is not bool):
            raise UserError(f"{task} task expects {key} as {expected.__name__}, got {value!r}.")
    return kind(**values)  # type: ignore[arg-type]  # checked above


class Task(nn.Module, abc.ABC):
    """One thing that a model is trained for. A subclass is abstract or final.

    Args:
        dim: width D of the head's output.
        labels: C class names; for a task that writes text, its pieces of words.
        options: the task's own options.
        dropout: dropout rate of the decoder's input in training.

    Raises:
        UserError: no labels, or options that do not fit.
    """

    name: ClassVar[str]
    """The task's name in configs and checkpoints."""
    query_kind: ClassVar[str]
    """The `Query.kind` that it answers; two tasks may answer one kind."""
    label_kind: ClassVar[str]
    """Which of the model's lists of labels it takes, such as "action"."""
    Options: ClassVar[type[TaskOptions]] = TaskOptions

    needs: ClassVar[str]
    """What a data set must have for the task, as error messages say it."""
    trained_by_default: ClassVar[bool] = True
    """Whether it is trained when the config names no tasks and the data set has what it needs."""
    works_noncausal: ClassVar[bool] = False
    """Whether it works with a head that sees the future."""
    asked_with: ClassVar[str | None] = "every"
    """The field of a `PredictionRequest` that holds the task's query times or texts. "every": queries at a regular
    interval, without a text. None: the task predicts no rows."""
    learns_observed_labels: ClassVar[bool] = False
    """Whether it can be learnt from the labels of the past in place of features, see `vidseq.data.moments`."""
    learns_segments: ClassVar[bool] = False
    """Whether what it learns are the segments of a video, so that training options that are left out follow from their
    lengths and number; see `vidseq.training.rules`."""
    default_options: ClassVar[Mapping[str, Any]] = {}
    """Options that hold where the training options follow from segments, unless others are given."""
    scored: ClassVar[bool] = True
    """Whether evaluation asks it the queries of a data set, one row for each query."""

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__()
        if not labels:
            raise UserError(f"{self.name} task expects the class names of '{self.label_kind}', got none.")
        self.labels = tuple(labels)
        self.options = make_options(self.name, self.Options, options)
        self.temperature = 1.0
        """What class scores are divided by before they become probabilities; fitted on the validation split."""
        self.asked_in_words = False
        """Whether each of its training queries had a text, so that a query without one means nothing to it."""

    # -- the data set

    @classmethod
    def variant(cls, options: Mapping[str, object]) -> "type[Task]":
        """The class that a model with these options takes: this one, unless the options change what an answer is.

        Raises:
            UserError: an option that does not exist, or a value that does not fit.
        """
        return cls

    @classmethod
    @abc.abstractmethod
    def fits(cls, dataset: Dataset) -> bool:
        """Whether the data set has what the task needs."""

    @classmethod
    def find_labels(cls, dataset: Dataset, train: Collection[str], options: Mapping[str, object]) -> tuple[str, ...]:
        """The labels of a model for a data set, in order.

        Args:
            dataset: the data set that the model is trained on.
            train: names of the training videos.
            options: the task's own options.

        Raises:
            UserError: options that do not fit the data set.
        """
        return dataset.class_labels[cls.label_kind]

    def notes(self, dataset: Dataset, videos: Collection[str]) -> list[str]:
        """What a user should know of some videos' labels before they are learnt or scored, a line each."""
        return []

    def derive_queries(self, dataset: Dataset, video: str) -> list[Query]:
        """Queries of a video that are made from its segments, by time. The data set does not contain them."""
        return []

    def fit_statistics(self, targets: Iterable[Tensor]) -> None:
        """Sets the values that are counted from the targets and not learned.

        Args:
            targets: the targets of each training video, as in `loss`.
        """

    # -- training

    @abc.abstractmethod
    def loss(self, output: Tensor, targets: Tensor, valid: Tensor, /) -> Tensor:
        """The training loss.

        Args:
            output: the task's output: the decoded vectors of N queries, or the class scores of frames (B, T, C).
            targets: the targets, N or (B, T).
            valid: the classes that each query offers, or the frames that are not padding.

        Returns:
            a scalar.
        """

    @abc.abstractmethod
    def right(self, output: Tensor, targets: Tensor, valid: Tensor, /) -> Tensor:
        """Which answers are right, for the accuracy in validation; the arguments are those of `loss`.

        Returns:
            bool, one for each query or labelled frame.
        """

    def scored_answers(self, output: Tensor, targets: Tensor, valid: Tensor, /) -> ScoredAnswers | None:
        """The answers that a temperature is fitted to; the arguments are those of `loss`.

        Returns:
            their scores and right classes; None if the task's answers are no classes, so that it has no temperature.
        """
        return None

    def fit_decisions(self, answers: ScoredAnswers) -> None:
        """Chooses how probabilities become answers, once the temperature is set; by default there is no choice.

        Args:
            answers: all that `scored_answers` gave of the validation split.
        """

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """Class scores (..., C) to log-probabilities, float32, at the task's temperature."""
        return (scores.float() / self.temperature).log_softmax(dim=-1)

    # -- answering queries

    @property
    def answer_classes(self) -> tuple[str, ...]:
        """The classes of its answers; empty if its answers are not classes."""
        return self.labels

    @abc.abstractmethod
    def query_vectors(self, text_vectors: Tensor) -> Tensor:
        """Makes the query vectors for the head.

        Args:
            text_vectors: the questions' encodings, (..., D); zero where there is no text.

        Returns:
            (..., D).
        """

    @abc.abstractmethod
    def decode_query(self, context: Tensor, vectors: Tensor, present: Tensor) -> Tensor:
        """Turns the context vector of a query into class scores, or into the vector that an answer is written from.

        Args:
            context: the head's output for the query, (..., D).
            vectors: the query vectors, (..., D).
            present: the head's output at the newest frame, (..., D).

        Returns:
            class scores (..., C), or the vectors (..., D) that answers are written from.
        """

    @abc.abstractmethod
    def answer(self, decoded: Tensor, queries: Sequence[Query], *, beam: int | None = None) -> Tensor | list[Written]:
        """Answers queries, for evaluation.

        Args:
            decoded: the output of `decode_query`, (N, ...).
            queries: N queries.
            beam: beam width of a task that writes text; None: the option's value.

        Returns:
            log-probabilities of the classes, float32 (N, C), -infinity for classes not offered; or N written answers.

        Raises:
            UserError: the task answers in another way.
        """

    @abc.abstractmethod
    def rank(self, decoded: Tensor, queries: Sequence[Query], top: int) -> list[Ranking]:
        """The most probable answers to each query, at most `top`; the other arguments are those of `answer`."""

    def predict(self, decoded: Tensor, queries: Sequence[Query], top: int) -> list[list[Prediction]]:
        """The prediction rows of each query; the arguments are those of `rank`."""
        return [[answer_row(query, ranking)] for query, ranking in zip(queries, self.rank(decoded, queries, top))]


def cross_entropy(
    logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy over targets other than `IGNORED`; zero, not NaN, if there is none.

    Args:
        logits: (N, C).
        targets: long (N,).
        label_smoothing: share of the target's probability that is spread over all classes.
        class_weights: weights of the classes, (C,); each term of the mean has its target's weight.
    """
    if not bool((targets != IGNORED).any()):
        return logits.sum() * 0
    return functional.cross_entropy(
        logits.float(), targets, weight=class_weights, ignore_index=IGNORED, label_smoothing=label_smoothing
    )
