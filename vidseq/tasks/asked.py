"""The asked family: tasks that answer queries from memory."""

import abc
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vidseq.data.examples import IGNORED
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.tasks.base import Task, cross_entropy
from vidseq.tasks.calibration import ScoredAnswers
from vidseq.tasks.prediction import Ranking, rank_classes


class QueryTask(Task):
    """A task that answers queries: a query vector reads the memory, and a decoder makes the answer.

    The query vector is the text's encoding plus the task's learned vector, projected to the head's input. Without a
    text the encoding is zero. The decoder's input has five parts: the query vector, the context vector, the present
    (the head's output at the newest frame, so that memory need not hold what is visible now), and the context vector
    and the present each multiplied by the query vector.
    """

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.standing = nn.Parameter(torch.randn(dim) * 0.5)
        self.to_query = nn.Linear(dim, dim)

    def query_vectors(self, text_vectors: Tensor) -> Tensor:
        """The encoding and the learned vector, projected; see `Task.query_vectors`."""
        return self.to_query(text_vectors + self.standing)

    def decode_query(self, context: Tensor, vectors: Tensor, present: Tensor) -> Tensor:
        """Concatenates the decoder's inputs and calls `output`; see `Task.decode_query`."""
        seen = [context, context * vectors, present, present * vectors]
        return self.output(torch.cat([vectors, *seen], dim=-1))

    @abc.abstractmethod
    def output(self, seen: Tensor) -> Tensor:
        """The last step of `decode_query`: the decoder's input (..., 5 D) to the task's output."""

    @abc.abstractmethod
    def targets(self, queries: Sequence[Query]) -> Tensor:
        """The right answers to N queries, (N, ...), for `loss` and `right`."""

    @abc.abstractmethod
    def offered(self, queries: Sequence[Query]) -> Tensor:
        """The answers that N queries offer, (N, ...), for `right`."""

    @abc.abstractmethod
    def loss(self, decoded: Tensor, targets: Tensor, offered: Tensor | None = None, /) -> Tensor:
        """The training loss.

        Args:
            decoded: the output of `decode_query` for N queries.
            targets: see `targets`.
            offered: not used: a closed question is learnt as an open one.

        Returns:
            a scalar.
        """

    @abc.abstractmethod
    def right(self, decoded: Tensor, targets: Tensor, offered: Tensor, /) -> Tensor:
        """Whether the answer to each query is right, bool (N,)."""


class ClassTask(QueryTask):
    """A query task whose answers are classes."""

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.decoder = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(5 * dim, dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(dim, len(labels))
        )
        self._classes = {label: index for index, label in enumerate(self.labels)}

    def output(self, seen: Tensor) -> Tensor:
        """Class scores, (..., C)."""
        return self.decoder(seen)

    def targets(self, queries: Sequence[Query]) -> Tensor:
        """The class of each answer, long (N,)."""
        return torch.tensor([self._classes[query.answer] for query in queries])

    def offered(self, queries: Sequence[Query]) -> Tensor:
        """The classes that each query offers, bool (N, C); see `offered_classes`."""
        return torch.stack([offered_classes(query.choices, self.labels) for query in queries])

    def loss(self, decoded: Tensor, targets: Tensor, offered: Tensor | None = None, /) -> Tensor:
        """Cross-entropy over the queries that have a target other than `IGNORED`; see `QueryTask.loss`."""
        return cross_entropy(decoded, targets, label_smoothing=self.options.label_smoothing)

    def right(self, decoded: Tensor, targets: Tensor, offered: Tensor, /) -> Tensor:
        """Whether the most probable class offered is the answer; see `QueryTask.right`."""
        return decoded.masked_fill(~offered, -torch.inf).argmax(dim=-1) == targets

    def scored_answers(self, decoded: Tensor, targets: Tensor, offered: Tensor, /) -> ScoredAnswers:
        """The scores of the classes offered; see `Task.scored_answers`."""
        known = targets != IGNORED
        return ScoredAnswers(decoded.float().masked_fill(~offered, -torch.inf)[known], targets[known])

    def answer(self, decoded: Tensor, queries: Sequence[Query], *, beam: int | None = None) -> Tensor:
        """Log-probabilities of the classes, float32 (N, C); see `Task.answer`."""
        offered = self.offered(queries).to(decoded.device)
        return self.log_probabilities(decoded.float().masked_fill(~offered, -torch.inf))

    def rank(self, decoded: Tensor, queries: Sequence[Query], top: int) -> list[Ranking]:
        """The most probable classes; see `Task.rank`."""
        return rank_classes(self.answer(decoded, queries).exp(), self.labels, top)


def offered_classes(choices: Sequence[str], labels: Sequence[str]) -> Tensor:
    """Marks the classes that a query offers.

    Args:
        choices: the choices of a multiple-choice query; empty: all classes.
        labels: C class names.

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
