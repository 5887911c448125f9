"""Twins: two questions that nothing but the video's past can answer.

Twins are asked of two videos of a split at the same time, in the same words, with the same two choices in the same
order, while the same is going on in both; the right answer of one is the wrong answer of the other. So neither words,
choices, time nor the present action says which is right. For families about the present, what is going on differs.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import TypeVar

from vidseq.data.questions.ages import AgeRanges
from vidseq.data.questions.candidate import QuestionCandidate
from vidseq.data.questions.family import NOT_YET, Family, Subject
from vidseq.data.questions.moment import Actions, Moment
from vidseq.data.questions.wording import phrase
from vidseq.data.schema import Query

#: Questions are asked at multiples of this, in seconds.
STEP_SECONDS = 1.0
#: Subjects of a family that are tried for the videos of a time that do the same.
MAX_SUBJECTS = 24
#: Of a video's questions of a family, at most this share cannot be answered yet.
NOT_YET_SHARE = 0.34

Item = TypeVar("Item")
Twins = tuple[QuestionCandidate, QuestionCandidate]


class TwinQuestions:
    """Asks twins of the videos of one split, until each video has enough.

    Args:
        videos: the actions of each video.
        durations: the length of each video in seconds.
        families: the families, each of which gets an equal share of a video's questions.
        ages: the ranges of ages.
        per_video: the most questions of a video.
        rng: random number generator of times, subjects, twins and wording.
    """

    def __init__(
        self,
        videos: Mapping[str, Actions],
        durations: Mapping[str, float],
        families: Sequence[Family],
        ages: AgeRanges,
        per_video: int,
        rng: Random,
    ) -> None:
        self._videos, self._durations, self._families, self._ages, self._rng = videos, durations, families, ages, rng
        self._share = math.ceil(per_video / len(families))
        self._per_video = per_video
        self._asked: Counter[str] = Counter()
        self._of_family: Counter[tuple[str, str]] = Counter()
        self._not_yet: Counter[tuple[str, str]] = Counter()
        self._used: set[tuple[str, str, Subject, str]] = set()

    def ask(self, name: str) -> list[Query]:
        """Returns the queries, twins one after the other.

        Args:
            name: what the names of pairs start with, such as the split.
        """
        queries: list[Query] = []
        for time in self._times():
            moments = {
                video: actions.at(time)
                for video, actions in self._videos.items()
                if time <= self._durations[video] and self._asked[video] < self._per_video
            }
            for family in _shuffled(self._families, self._rng):
                for twins in self._twins_at(moments, family):
                    pair = None if family.about_present else f"{name}-{len(queries) // 2}"
                    queries += self._phrase(twins, pair)
        return queries

    def _times(self) -> list[float]:
        """All times, in random order."""
        count = int(max(self._durations.values(), default=0.0) / STEP_SECONDS)
        return _shuffled([STEP_SECONDS * (1 + index) for index in range(count)], self._rng)

    def _twins_at(self, moments: Mapping[str, Moment], family: Family) -> Iterable[Twins]:
        """Chooses twins at a time; each video gets at most one question of a family then."""
        alike: defaultdict[tuple[str, ...], dict[str, Moment]] = defaultdict(dict)
        for video, moment in moments.items():
            if self._of_family[video, family.name] < self._share:
                alike[() if family.about_present else moment.present][video] = moment
        for group in alike.values():
            if len(group) > 1:
                yield from self._twins_among(group, family)

    def _twins_among(self, group: Mapping[str, Moment], family: Family) -> Iterable[Twins]:
        """Chooses twins among videos that do the same."""
        left = {video: (moment, set(family.subjects(moment))) for video, moment in group.items()}
        for subject in self._shared_subjects([subjects for _, subjects in left.values()]):
            having = [(video, moment) for video, (moment, subjects) in left.items() if subject in subjects]
            for twins in match(self._candidates(having, family, subject), self._rng):
                for candidate in twins:
                    self._take(candidate)
                    del left[candidate.video]
                yield twins
            if len(left) < 2:
                return

    def _shared_subjects(self, subjects: Iterable[set[Subject]]) -> list[Subject]:
        """Subjects that two or more of the videos have, a random part of many."""
        counts = Counter(subject for of_video in subjects for subject in of_video)
        shared = sorted(subject for subject, count in counts.items() if count > 1)
        return _shuffled(shared, self._rng)[:MAX_SUBJECTS]

    def _candidates(
        self, moments: Iterable[tuple[str, Moment]], family: Family, subject: Subject
    ) -> list[QuestionCandidate]:
        found = []
        for video, moment in moments:
            draft = family.draft(moment, subject, self._ages)
            if draft is not None:
                found.append(QuestionCandidate(video, moment.time, family.name, subject, draft))
        return [candidate for candidate in found if self._is_new(candidate)]

    def _is_new(self, candidate: QuestionCandidate) -> bool:
        """Whether this has not yet been asked of the video with this answer, and there is room for it."""
        if candidate.draft.answer == NOT_YET:
            cannot_be_known = self._not_yet[candidate.video, candidate.family]
            if cannot_be_known >= math.ceil(NOT_YET_SHARE * self._share):
                return False
        return _key(candidate) not in self._used and self._asked[candidate.video] < self._per_video

    def _take(self, candidate: QuestionCandidate) -> None:
        self._used.add(_key(candidate))
        self._not_yet[candidate.video, candidate.family] += candidate.draft.answer == NOT_YET
        self._asked[candidate.video] += 1
        self._of_family[candidate.video, candidate.family] += 1

    def _phrase(self, twins: Twins, pair: str | None) -> list[Query]:
        one, other = twins
        text = phrase(one.family, one.subject, self._rng)
        answers = (one.draft.answer, other.draft.answer)
        choices = answers if self._rng.random() < 0.5 else answers[::-1]
        return [candidate.query(text, choices, pair) for candidate in twins]


def match(candidates: Sequence[QuestionCandidate], rng: Random) -> list[Twins]:
    """Pairs candidates at random: the answer of each is a plausible wrong answer of the other.

    Args:
        candidates: of one family, subject and time, each of another video.
        rng: random number generator of the choice.
    """
    left = _shuffled(candidates, rng)
    pairs: list[Twins] = []
    while left:
        one = left.pop()
        position = next((position for position, other in enumerate(left) if _are_twins(one, other)), None)
        if position is not None:
            pairs.append((one, left.pop(position)))
    return pairs


def _shuffled(items: Sequence[Item], rng: Random) -> list[Item]:
    return rng.sample(items, len(items))


def _are_twins(one: QuestionCandidate, other: QuestionCandidate) -> bool:
    return other.draft.answer in one.draft.others and one.draft.answer in other.draft.others


def _key(candidate: QuestionCandidate) -> tuple[str, str, Subject, str]:
    return candidate.video, candidate.family, candidate.subject, candidate.draft.answer
