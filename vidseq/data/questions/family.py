"""A family of questions, and a question with its answer before it is put into words."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vidseq.data.evidence import Interval
from vidseq.data.questions.ages import AgeRanges
from vidseq.data.questions.moment import Moment

#: What a question is about: no, one or two labels; a track; or the seconds of a lead.
Subject = tuple[str, ...]

YES, NO = "yes", "no"
#: The answer to what cannot be known before something is done.
NOT_YET = "not yet"

#: Tiers: the answer rests on what has not been done; the newest of several counts.
NOT_DONE, OVERWRITE = "not_yet", "overwrite"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An answer, and what it rests on."""

    answer: str
    others: frozenset[str]
    """Wrong answers that might be right in this video at another time; never empty."""
    evidence: tuple[Interval, ...] = ()
    """The intervals that show the answer; empty if it rests on what has not been seen."""
    tier: str | None = None


@dataclass(frozen=True)
class Family:
    """A family of questions.

    At a moment it has subjects to ask about. For some of them there is an answer that no annotator would dispute: none
    of the edges that it depends on is near.
    """

    name: str
    subjects: Callable[[Moment], Iterable[Subject]]
    draft: Callable[[Moment, Subject, AgeRanges], Draft | None]
    """Answers the question about a subject; None if it has no clear answer, or no other answer is plausible."""
    needs: str
    """What segments need, for messages."""
    about_present: bool = False
    """Whether what is going on is the answer, or a part of it."""
    not_done_share: float = 0.0
    """How often `SegmentQuestions` asks about what has not been done; above 0, a subject is one label."""


def labels_in_video(moment: Moment) -> Iterable[Subject]:
    """Every label of the video: what has been done, and what is to come."""
    return moment.actions.label_subjects


def draft_or_none(
    answer: str, others: Iterable[str], evidence: tuple[Interval, ...] = (), tier: str | None = None
) -> Draft | None:
    """Makes a draft; None if there is no other answer."""
    wrong = frozenset(others) - {answer}
    return Draft(answer=answer, others=wrong, evidence=evidence, tier=tier) if wrong else None
