"""A question that can be asked of a video at a time, and the query that it becomes."""

from dataclasses import dataclass

from vidseq.data.evidence import certificate_seconds, merge
from vidseq.data.questions.family import Draft, Subject
from vidseq.data.schema import QUESTION, Query


@dataclass(frozen=True)
class QuestionCandidate:
    """A question before it is put into words."""

    video: str
    time: float
    family: str
    subject: Subject
    draft: Draft

    def query(self, text: str, choices: tuple[str, ...], pair: str | None = None) -> Query:
        """Makes the query, with a text and the answers that it offers."""
        draft = self.draft
        return Query(
            video=self.video,
            time=self.time,
            kind=QUESTION,
            question=text,
            answer=draft.answer,
            choices=choices,
            family=self.family,
            evidence=merge(draft.evidence),
            certificate_seconds=certificate_seconds(draft.evidence),
            tier=draft.tier,
            pair=pair,
        )
