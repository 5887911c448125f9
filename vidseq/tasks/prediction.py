"""A prediction row: times in seconds, class names and probabilities."""

from dataclasses import asdict, dataclass

from torch import Tensor

from vidseq.data.schema import Query
from vidseq.data.words import label_in_words

#: The most probable answers with their probabilities, best first.
Ranking = tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One prediction for a video: an answer, a labelled segment or a future action."""

    video: str
    time: float
    """Query time, or start of the past or future segment, in seconds."""
    end: float | None = None
    """End of the labelled segment or future action in seconds; None for other answers."""
    kind: str
    """The kind of its query, such as "question"; see `vidseq.data.schema`."""
    question: str | None = None
    answer: str
    probability: float
    ranking: Ranking = ()
    truth: str | None = None
    """The right answer, where it is known."""

    @property
    def is_wrong(self) -> bool:
        """Whether the right answer is known and another one."""
        return self.truth is not None and self.answer != self.truth

    def as_record(self) -> dict[str, object]:
        """The row as JSON values, with rounded numbers."""
        record = asdict(self)
        record["time"] = round(self.time, 3)
        record["end"] = None if self.end is None else round(self.end, 3)
        record["probability"] = round(self.probability, 4)
        record["ranking"] = [[label, round(value, 4)] for label, value in self.ranking]
        return record

    def as_text(self) -> str:
        """The row as a sentence."""
        answer = f"{label_in_words(self.answer)} ({self.probability:.0%})"
        if self.end is not None:
            return answer
        correction = f"; right: {label_in_words(self.truth or '')}" if self.is_wrong else ""
        return f"{self.question or 'What happens next?'} {answer}{correction}"


def answer_row(query: Query, ranking: Ranking) -> Prediction:
    """The row of a query, with its right answer if it has one, and its ranked answers, at least one."""
    answer, probability = ranking[0]
    return Prediction(
        video=query.video,
        time=query.time,
        kind=query.kind,
        question=query.question,
        answer=answer,
        probability=probability,
        ranking=ranking,
        truth=query.answer or None,
    )


def rank_classes(probabilities: Tensor, labels: tuple[str, ...], top: int) -> list[Ranking]:
    """The most probable classes of each row, best first. Equal probabilities keep the order of the classes.

    Args:
        probabilities: (N, C).
        labels: C class names.
        top: the number of classes in a ranking.
    """
    values, order = probabilities.sort(dim=-1, descending=True, stable=True)
    rows = zip(values[:, :top].tolist(), order[:, :top].tolist())
    return [tuple((labels[index], value) for value, index in zip(*row)) for row in rows]
