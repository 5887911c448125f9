"""Draws questions about a classroom video at any time, for training.

The answers come from the record of the video (`answers.answer`), so they cost no drawing and no features. Families are
drawn uniformly, then subjects, then wordings. What is asked about the past may be on view at the time: a single frame
then teaches what it looks like, and longer clips that it stays true. The queries of validation and test come from
`queries` instead, which balances times and answers, and asks about the past only what is no longer on view.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations, product
from random import Random

import numpy as np

from vidseq.classroom.actions import RING_OF
from vidseq.classroom.answers import KINDS, MAX_COUNT, UNKNOWN, Question
from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.palette import COLORED, GIFTS, SIGNALS, TOYS, ZONE_WORDS
from vidseq.classroom.plan import SPLITS, draw_world, twin
from vidseq.classroom.record import Record
from vidseq.classroom.wording import answer_sentence, forms_of, word_question
from vidseq.classroom.world import Child, World
from vidseq.data.dataset import Dataset
from vidseq.data.schema import NEXT_ACTION, QUESTION, Query
from vidseq.errors import DataError
from vidseq.files import parse_json

#: Share of the draws with the answer "unknown" that are kept. Most things have not happened yet at most times.
UNKNOWN_KEPT = 0.1

#: How many questions of a family are drawn until one can be asked, and how many families, before a query is left out.
ATTEMPTS = 3
FAMILIES_TRIED = 2

_SHOWING = ("card", "television")
_WHICH = ("first", "last")


@dataclass(frozen=True)
class _Moment:
    """A video at a time."""

    config: ClassroomConfig
    world: World
    time: float
    record: Record
    """What was visible up to the time."""
    clip: Record
    """The part of it that a clip shows."""

    @cached_property
    def present(self) -> list[Child]:
        """The children in the room."""
        return [child for child in self.world.children if child.enters < self.time]


@dataclass
class QuestionSampler:
    """Asks the videos of one configuration; see `vidseq.data.question_source.QuestionSource`.

    Args:
        config: the configuration that the videos were made with.
    """

    config: ClassroomConfig
    _videos: dict[str, tuple[World, Record]] = field(default_factory=dict)

    def texts(self) -> list[str]:
        """All texts of all questions."""
        questions = [question for family in self.config.families for question in _all_questions(family, self.config)]
        return [word_question(question, form) for question in questions for form in forms_of(question)]

    def draw(
        self, video: str, time: float, count: int, rng: np.random.Generator, *, since: float = -math.inf
    ) -> list[Query]:
        """Draws queries about a video at a time (seconds); see `QuestionSource.draw`.

        `since` does not restrict next actions: a part of them follows from what is seen now, and none is certain.
        """
        world, record = self._video(video)
        past = record.window(-1.0, time)
        moment = _Moment(self.config, world, time, past, past if since <= 0 else past.window(since, time))
        fast = Random(int(rng.integers(2**62)))  # NumPy's generator takes several times as long for one number
        drawn = (self._draw_one(moment, fast) for _ in range(count))
        return [query for query in drawn if query is not None]

    def _draw_one(self, moment: _Moment, rng: Random) -> Query | None:
        for family in rng.sample(self.config.families, min(FAMILIES_TRIED, len(self.config.families))):
            for _ in range(ATTEMPTS):
                question = _DRAWN[family](moment, rng)
                found = None if question is None else _answer(moment, family, question)
                if question is not None and found is not None and (found != UNKNOWN or rng.random() < UNKNOWN_KEPT):
                    return self._query(moment, family, question, found, rng)
        return None

    def _query(self, moment: _Moment, family: str, question: Question, found: str, rng: Random) -> Query:
        forms, is_next = forms_of(question), family == NEXT_ACTION
        in_words = is_next or self.config.answers == "words"
        return Query(
            video=moment.world.video,
            time=moment.time,
            kind=NEXT_ACTION if is_next else QUESTION,
            question=word_question(question, rng.choice(forms)),
            answer=found if in_words else answer_sentence(question, found),
            family=family,
        )

    def _video(self, video: str) -> tuple[World, Record]:
        if video not in self._videos:
            world = world_of(self.config, video)
            self._videos[video] = world, world.record()
        return self._videos[video]


def open_sampler(dataset: Dataset) -> QuestionSampler:
    """The sampler of a classroom on disk.

    Raises:
        DataError: `classroom.json`, which holds the configuration, is missing or damaged.
    """
    file = dataset.folder / "classroom.json"
    try:
        values = parse_json(file.read_text(encoding="utf-8"))
        fields = {field.name: values[field.name] for field in dataclasses.fields(ClassroomConfig)}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"A classroom expects its configuration in {file}, got none that can be read ({error!r}). Use the "
            "folder that `vidseq classroom` made, or set drawn_questions to 0."
        ) from None
    return QuestionSampler(ClassroomConfig(**{**fields, "families": tuple(fields["families"])}))


def world_of(config: ClassroomConfig, video: str) -> World:
    """The world of a video, from its name.

    Raises:
        DataError: the configuration has no such video.
    """
    split, _, number = video.removesuffix("_twin").partition("_")
    if split not in SPLITS or not number.isdecimal():
        raise DataError(f"A classroom expects videos such as 'train_00000', got '{video}'.")
    world = draw_world(config, split, int(number))
    return twin(world, config) if video.endswith("_twin") else world


def _answer(moment: _Moment, family: str, question: Question) -> str | None:
    """The answer; None: it cannot be asked now."""
    if family == NEXT_ACTION:
        return _next_action(moment, question.subject)
    found = _ideal_answer(moment.record, moment, question)
    if moment.clip is not moment.record and _ideal_answer(moment.clip, moment, question) != found:
        return None
    if family == "doing":
        return found if found in RING_OF else None  # it may walk, or enter
    if family == "count":
        return found if int(found) <= MAX_COUNT else None
    return None if family == "color_now" and found == UNKNOWN else found


def _ideal_answer(record: Record, moment: _Moment, question: Question) -> str:
    return KINDS[question.kind](record, question, moment.time, moment.world.noise) or UNKNOWN


def _next_action(moment: _Moment, shirt: str) -> str | None:
    """What the child does after its present action; None: it has none of the rings, or nothing follows."""
    child = next(child for child in moment.present if child.shirt == shirt)
    step = child.step_at(moment.time)
    if step is None or step.action not in RING_OF or moment.time <= step.arrives:
        return None
    following = [other.action for other in child.steps if other.start >= step.end]
    return following[0] if following else None


# -- drawing a question of a family; None: there is none to ask now


def _color_now(moment: _Moment, rng: Random) -> Question:
    return Question("color_now", rng.choice(COLORED))


def _doing(moment: _Moment, rng: Random) -> Question | None:
    return _of_a_child("doing", moment, rng)


def _next(moment: _Moment, rng: Random) -> Question | None:
    return _of_a_child("next", moment, rng)


def _of_a_child(kind: str, moment: _Moment, rng: Random) -> Question | None:
    shirts = tuple(child.shirt for child in moment.present)
    return Question(kind, rng.choice(shirts)) if shirts else None


def _who(moment: _Moment, rng: Random) -> Question | None:
    zones = [fact.value for fact in moment.record.find(None, "zone", at=moment.time)]
    alone = tuple(zone for zone in zones if zone in ZONE_WORDS and zones.count(zone) == 1)
    if alone and rng.random() < 0.5:
        return Question("name_at", rng.choice(alone))
    return _of_a_child("name_of", moment, rng)


def _color_then(moment: _Moment, rng: Random) -> Question:
    return Question("color_then", "chair", rng.choice(_WHICH))


def _first_last(moment: _Moment, rng: Random) -> Question:
    return Question("shown", rng.choice(_SHOWING), rng.choice(_WHICH))


def _hidden(moment: _Moment, rng: Random) -> Question:
    return Question("box_of", rng.choice(TOYS[: moment.config.num_toys]), rng.choice(_WHICH))


def _count(moment: _Moment, rng: Random) -> Question:
    return Question("times", rng.choice(SIGNALS))


def _order(moment: _Moment, rng: Random) -> Question:
    config = moment.config
    if rng.random() < 0.5:
        return Question("first_hidden", *rng.sample(TOYS[: config.num_toys], 2))
    return Question("first_held", *rng.sample(GIFTS[: config.num_gifts], 2))


def _who_did(moment: _Moment, rng: Random) -> Question:
    return Question("holder", rng.choice(GIFTS[: moment.config.num_gifts]))


_DRAWN: dict[str, Callable[[_Moment, Random], Question | None]] = {
    NEXT_ACTION: _next,
    "color_now": _color_now,
    "doing": _doing,
    "who": _who,
    "color_then": _color_then,
    "first_last": _first_last,
    "hidden": _hidden,
    "count": _count,
    "order": _order,
    "who_did": _who_did,
}


def _all_questions(family: str, config: ClassroomConfig) -> list[Question]:
    """All questions of a family that a configuration may ask."""
    toys, gifts = TOYS[: config.num_toys], GIFTS[: config.num_gifts]
    return {
        NEXT_ACTION: [Question("next", shirt) for shirt in config.colors],
        "color_now": [Question("color_now", thing) for thing in COLORED],
        "doing": [Question("doing", shirt) for shirt in config.colors],
        "who": [
            *(Question("name_of", shirt) for shirt in config.colors),
            *(Question("name_at", zone) for zone in ZONE_WORDS),
        ],
        "color_then": [Question("color_then", "chair", which) for which in _WHICH],
        "first_last": [Question("shown", *pair) for pair in product(_SHOWING, _WHICH)],
        "hidden": [Question("box_of", *pair) for pair in product(toys, _WHICH)],
        "count": [Question("times", subject) for subject in SIGNALS],
        "order": [
            *(Question("first_hidden", *pair) for pair in permutations(toys, 2)),
            *(Question("first_held", *pair) for pair in permutations(gifts, 2)),
        ],
        "who_did": [Question("holder", gift) for gift in gifts],
    }[family]
