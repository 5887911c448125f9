"""What a model is trained for: tasks read the head's output, each into classes or words."""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from vidseq.data.examples import IGNORED
from vidseq.data.schema import Query
from vidseq.errors import UserError, unknown_name


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """What every task can be told."""

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
    """Makes a task's options from a mapping, refusing unknown names.

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
    """One thing that a model says. A subclass is abstract or final.

    Args:
        dim: width D of what the head gives.
        labels: the class names, C of them; for a task that writes, the pieces that it writes in.
        options: the task's own options.
        dropout: share of the decoder's input dropped in training.
    """

    name: ClassVar[str]
    """The task's word in checkpoints and on the command line."""
    label_kind: ClassVar[str]
    """Which of the model's label lists the classes are: "action", "answer" or "piece"."""
    Options: ClassVar[type[TaskOptions]]

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__()
        if not labels:
            raise UserError(f"{self.name} task expects the class names of '{self.label_kind}', got none.")
        self.labels = tuple(labels)
        self.options = make_options(self.name, self.Options, options)


class DenseTask(Task):
    """A task with a label for each frame."""

    @abc.abstractmethod
    def decode(self, y: Tensor) -> Tensor:
        """Turns the head's output into class scores.

        Args:
            y: (B, T, D).

        Returns:
            logits (B, T, C).
        """

    @abc.abstractmethod
    def loss(self, logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """What training makes small.

        Args:
            logits: (B, T, C).
            targets: class numbers, long (B, T); `IGNORED` where there is none.
            mask: bool (B, T), True = valid; nothing invalid counts.

        Returns:
            a scalar.
        """


class QueryTask(Task):
    """A task that is asked for at a time: a query vector reads the memory, a decoder says what was read.

    The query vector of a text is its encoding and the task's own learned vector, added and projected to the head's
    input; without a text the encoding is zero, and the learned vector is the standing query. What is decoded is the
    query vector, what was read, the present (the head's output at the newest frame, so that memory need not hold what
    is in view), and both multiplied with the query vector.
    """

    query_kind: ClassVar[str]
    """The `Query.kind` that it answers."""

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.standing = nn.Parameter(torch.randn(dim) * 0.5)
        self.to_query = nn.Linear(dim, dim)

    def query_vectors(self, text_vectors: Tensor) -> Tensor:
        """Makes what the head is asked with.

        Args:
            text_vectors: the questions' encodings, (..., D); zero where there is no text.

        Returns:
            (..., D).
        """
        return self.to_query(text_vectors + self.standing)

    def decode(self, context: Tensor, vectors: Tensor, present: Tensor) -> Tensor:
        """Turns what a query read into what the task says, or says it from.

        Args:
            context: what the head answered, (..., D).
            vectors: what it was asked with, (..., D).
            present: the head's output at the newest frame, (..., D).

        Returns:
            class scores (..., C), or of a task that writes the vectors (..., D) that it writes from.
        """
        seen = [context, context * vectors, present, present * vectors]
        return self.say(torch.cat([vectors, *seen], dim=-1))

    @abc.abstractmethod
    def say(self, seen: Tensor) -> Tensor:
        """The last step of `decode`: (..., 5 D) to what it gives."""

    @abc.abstractmethod
    def targets(self, queries: Sequence[Query]) -> Tensor:
        """What should be said to queries, as `loss` and `right` want it, N first."""

    @abc.abstractmethod
    def offered(self, queries: Sequence[Query]) -> Tensor:
        """What queries may be answered with, as `right` wants it, N first."""

    @abc.abstractmethod
    def loss(self, decoded: Tensor, targets: Tensor) -> Tensor:
        """What training makes small.

        Args:
            decoded: what `decode` gave for N queries.
            targets: see `targets`.

        Returns:
            a scalar.
        """

    @abc.abstractmethod
    def right(self, decoded: Tensor, targets: Tensor, offered: Tensor) -> Tensor:
        """Whether each query is answered as it should be, bool (N,)."""


class ClassTask(QueryTask):
    """A query task whose answers are classes."""

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.decoder = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(5 * dim, dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(dim, len(labels))
        )
        self._classes = {label: number for number, label in enumerate(self.labels)}

    def say(self, seen: Tensor) -> Tensor:
        """Class scores, (..., C); see `QueryTask.decode`."""
        return self.decoder(seen)

    def targets(self, queries: Sequence[Query]) -> Tensor:
        """The class of each answer, long (N,)."""
        return torch.tensor([self._classes[query.answer] for query in queries])

    def offered(self, queries: Sequence[Query]) -> Tensor:
        """The classes that each query may be answered with, bool (N, C); see `offered_classes`."""
        return torch.stack([offered_classes(query.choices, self.labels) for query in queries])

    def log_probabilities(self, decoded: Tensor, queries: Sequence[Query]) -> Tensor:
        """What class scores (N, C) say of N queries, float32 (N, C); -infinity for what is not offered."""
        offered = self.offered(queries).to(decoded.device)
        return decoded.float().masked_fill(~offered, -torch.inf).log_softmax(dim=-1)

    def loss(self, decoded: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy over the queries that have a target other than `IGNORED`; see `QueryTask.loss`."""
        return cross_entropy(decoded, targets, label_smoothing=self.options.label_smoothing)

    def right(self, decoded: Tensor, targets: Tensor, offered: Tensor) -> Tensor:
        """Whether the likeliest class offered is the answer; see `QueryTask.right`."""
        return decoded.masked_fill(~offered, -torch.inf).argmax(dim=-1) == targets


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


def offered_classes(choices: Sequence[str], labels: Sequence[str]) -> Tensor:
    """Marks the classes that a query may be answered with.

    Args:
        choices: what a multiple-choice query offers; none: everything.
        labels: the class names, C of them.

    Returns:
        bool (C,).

    Raises:
        UserError: there are choices, but none is a class.
    """
    if not choices:
        return torch.ones(len(labels), dtype=torch.bool)  # asked of every query: must not look at thousands of labels
    offered = torch.tensor([label in choices for label in labels])
    if not bool(offered.any()):
        known = ", ".join(labels[:8]) + (", ..." if len(labels) > 8 else "")
        raise UserError(
            f"A multiple-choice query expects choices that the model knows, got {', '.join(choices)}. Known: {known}."
        )
    return offered
