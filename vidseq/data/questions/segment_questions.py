"""Questions about single moments, as many as training wants: a new random choice at every step."""

import math
from collections.abc import Collection, Sequence
from random import Random

import numpy as np

from vidseq.data.dataset import Dataset
from vidseq.data.questions.families import choose_families, possible_answers
from vidseq.data.questions.family import Family, Subject
from vidseq.data.questions.moment import Moment
from vidseq.data.questions.present import LEAD_SECONDS
from vidseq.data.questions.settings import read_settings
from vidseq.data.questions.video_actions import actions_of, ages_of
from vidseq.data.questions.wording import FORMS, phrase, words
from vidseq.data.schema import QUESTION, Query

#: How many families are tried for a question, and how many subjects of each.
FAMILIES_TRIED, SUBJECTS_TRIED = 2, 3


class SegmentQuestions:
    """Draws questions from segments; see `vidseq.data.question_source.QuestionSource`.

    Families are drawn uniformly, then subjects, then words. "Yes" is as frequent as "no" where both are possible. One
    video at one time has no twin, so elapsed time does go with some answers, such as large counts; the questions for
    evaluation are those of `ask_questions`. Drawn questions offer no choices and have no evidence.

    Args:
        dataset: a data set with segments.
        families: names of families; none: all.
        leave_out: labels that are no actions, besides the background.

    Raises:
        UserError: a family or a label is unknown.
    """

    def __init__(self, dataset: Dataset, *, families: Sequence[str] = (), leave_out: Collection[str] = ()) -> None:
        self._families = choose_families(families)
        self._actions = actions_of(dataset, leave_out)
        self._ages = ages_of(dataset, self._actions)
        self._labels = sorted({label for actions in self._actions.values() for label in actions.labels})
        self._tracks = sorted({track for actions in self._actions.values() for track in actions.tracks})
        #: Every answer that a question can have.
        self.answers = possible_answers(dataset.action_labels, self._actions.values(), self._ages)

    def texts(self) -> list[str]:
        """Texts with every word that a question can have."""
        subjects = [words(name) for name in (*self._labels, *self._tracks)] + [str(lead) for lead in LEAD_SECONDS]
        names = {family.name for family in self._families}
        return subjects + [form for (name, _), forms in FORMS.items() if name in names for form in forms]

    def standing(self) -> list[str]:
        """Each label, and each who acts; see `QuestionSource.standing`."""
        return [words(name) for name in (*self._labels, *self._tracks)]

    def draw(
        self, video: str, time: float, count: int, rng: np.random.Generator, *, since: float = -math.inf
    ) -> list[Query]:
        """Draws queries about a video at a time (seconds); see `QuestionSource.draw`."""
        moment = self._actions[video].at(time)
        fast = Random(int(rng.integers(2**62)))  # NumPy's generator takes several times as long for one number
        drawn = (self._draw_one(video, moment, fast, since) for _ in range(count))
        return [query for query in drawn if query is not None]

    def _draw_one(self, video: str, moment: Moment, rng: Random, since: float) -> Query | None:
        for family in rng.sample(self._families, min(FAMILIES_TRIED, len(self._families))):
            for subject in _some_subjects(family, moment, rng):
                draft = family.draft(moment, subject, self._ages)
                if draft is not None and all(start >= since for start, _ in draft.evidence):
                    text = phrase(family.name, subject, rng)
                    return Query(
                        video=video,
                        time=moment.time,
                        kind=QUESTION,
                        question=text,
                        answer=draft.answer,
                        family=family.name,
                        tier=draft.tier,
                    )
        return None


def _some_subjects(family: Family, moment: Moment, rng: Random) -> list[Subject]:
    """Draws subjects; whether they have been done is drawn first, where the family asks about both."""
    subjects = list(family.subjects(moment))
    if family.not_done_share:
        wanted = rng.random() >= family.not_done_share
        subjects = [subject for subject in subjects if (subject[0] in moment.done_labels) == wanted]
    return rng.sample(subjects, min(SUBJECTS_TRIED, len(subjects)))


def open_segment_questions(dataset: Dataset) -> SegmentQuestions:
    """Opens the source of a data set of `ask_questions`: the same families, without the same labels.

    Raises:
        DataError: `questions.json`, which names them, is missing or damaged.
    """
    settings = read_settings(dataset.folder)
    return SegmentQuestions(dataset, families=settings.families, leave_out=settings.leave_out)
