"""The contract of a task: all that is known about one thing that a model is trained for.

A task is one class in one file. The model, the training loop, prediction and evaluation call the methods below; they
know no task by its name. A task belongs to one of two families:

* `vidseq.tasks.dense.DenseTask` gives each frame a class, from the head's output at that frame;
* `vidseq.tasks.asked.QueryTask` answers queries: a query vector reads the memory, and a decoder makes the answer.
"""

import abc
import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from torch import Tensor, nn
from torch.nn import functional

from vidseq.data.dataset import Dataset
from vidseq.data.examples import IGNORED
from vidseq.data.schema import Query
from vidseq.errors import UserError, unknown_name
from vidseq.language.written import Written
from vidseq.tasks.prediction import Prediction, Ranking, answer_row


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """The options that every task has."""

    weight: float = 1.0
    """Factor of the task's loss beside the others'."""
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
        dim: width D of what the head gives.
        labels: the class names, C of them; for a task that writes, the pieces that it writes in.
        options: the task's own options.
        dropout: share of the decoder's input dropped in training.

    Raises:
        UserError: no labels, or options that do not fit.
    """

    name: ClassVar[str]
    """The task's word in configs and checkpoints."""
    query_kind: ClassVar[str]
    """The `Query.kind` that it answers; two tasks may answer one kind."""
    label_kind: ClassVar[str]
    """Which of the model's lists of labels it takes, such as "action"."""
    Options: ClassVar[type[TaskOptions]] = TaskOptions

    needs: ClassVar[str]
    """What a data set must have for it, for the error of one that has not."""
    trained_by_default: ClassVar[bool] = True
    """Whether it is trained where nobody names tasks and the data set has what it needs."""
    works_noncausal: ClassVar[bool] = False
    """Whether it works with a head that sees the future."""
    asked_with: ClassVar[str | None] = "every"
    """When prediction asks it: the field of a `PredictionRequest` with its times or texts. "every": every so often
    without a text; None: it predicts no rows."""
    scored: ClassVar[bool] = True
    """Whether evaluation puts the queries of a data set to it, a row a query."""

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__()
        if not labels:
            raise UserError(f"{self.name} task expects the class names of '{self.label_kind}', got none.")
        self.labels = tuple(labels)
        self.options = make_options(self.name, self.Options, options)

    # -- the data set

    @classmethod
    @abc.abstractmethod
    def fits(cls, dataset: Dataset) -> bool:
        """Whether the data set has what the task needs."""

    @classmethod
    def find_labels(cls, dataset: Dataset, train: Collection[str], options: Mapping[str, object]) -> tuple[str, ...]:
        """The labels that a model for a data set gets, in order.

        Args:
            dataset: what is learnt.
            train: names of the training videos.
            options: the task's own options.

        Raises:
            UserError: options that do not fit the data set.
        """
        return dataset.class_labels[cls.label_kind]

    def derive_queries(self, dataset: Dataset, video: str) -> list[Query]:
        """The queries of a video that the data set does not hold, made of its segments, by time."""
        return []

    def fit_statistics(self, targets: Iterable[Tensor]) -> None:
        """Sets what is counted rather than learnt.

        Args:
            targets: of each training video, as `loss` gets them.
        """

    # -- training

    @abc.abstractmethod
    def loss(self, output: Tensor, targets: Tensor, valid: Tensor, /) -> Tensor:
        """What training makes small.

        Args:
            output: what the task made of the clips: what it decoded for N queries, or of every frame (B, T, C).
            targets: N or (B, T) of them.
            valid: what counts: the answers that each query offers, or which frames there are.

        Returns:
            a scalar.
        """

    @abc.abstractmethod
    def right(self, output: Tensor, targets: Tensor, valid: Tensor, /) -> Tensor:
        """Which answers are right, for the accuracy in validation; the arguments are those of `loss`.

        Returns:
            bool, one for each query or labelled frame.
        """

    # -- answering queries

    @property
    def answer_classes(self) -> tuple[str, ...]:
        """The classes that its answers are among; none where it answers with anything else."""
        return self.labels

    @abc.abstractmethod
    def query_vectors(self, text_vectors: Tensor) -> Tensor:
        """Makes what the head is asked with.

        Args:
            text_vectors: the questions' encodings, (..., D); zero where there is no text.

        Returns:
            (..., D).
        """

    @abc.abstractmethod
    def decode_query(self, context: Tensor, vectors: Tensor, present: Tensor) -> Tensor:
        """Turns what a query read into what the task answers, or answers from.

        Args:
            context: what the head answered, (..., D).
            vectors: what it was asked with, (..., D).
            present: the head's output at the newest frame, (..., D).

        Returns:
            class scores (..., C), or the vectors (..., D) that answers are written from.
        """

    @abc.abstractmethod
    def answer(self, decoded: Tensor, queries: Sequence[Query], *, beam: int | None = None) -> Tensor | list[Written]:
        """Answers queries, for evaluation.

        Args:
            decoded: what `decode_query` gave, N first.
            queries: N of them.
            beam: how many answers grow side by side, of a task that writes words; None: as its option says.

        Returns:
            log-probabilities of the classes, float32 (N, C), -infinity for what is not offered; or N answers in words.

        Raises:
            UserError: the task answers in another way.
        """

    @abc.abstractmethod
    def rank(self, decoded: Tensor, queries: Sequence[Query], top: int) -> list[Ranking]:
        """The most probable answers to each query, at most `top`; the other arguments are those of `answer`."""

    def predict(self, decoded: Tensor, queries: Sequence[Query], top: int) -> list[list[Prediction]]:
        """The rows that a person reads for each query; the arguments are those of `rank`."""
        return [[answer_row(query, ranking)] for query, ranking in zip(queries, self.rank(decoded, queries, top))]


def cross_entropy(
    logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy over targets other than `IGNORED`; zero, not NaN, where there is none.

    Args:
        logits: (N, C).
        targets: long (N,).
        label_smoothing: share of the target's probability spread over all classes.
        class_weights: (C,); the mean is weighted with its target's.
    """
    if not bool((targets != IGNORED).any()):
        return logits.sum() * 0
    return functional.cross_entropy(
        logits.float(), targets, weight=class_weights, ignore_index=IGNORED, label_smoothing=label_smoothing
    )
