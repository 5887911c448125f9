"""Draws questions about a classroom video at any time, for training.

The answers come from the record of the video (`answers.answer`), so they cost no drawing and no features. Families are
drawn, then subjects, then wordings. What decides next actions (card, programme, habit, the present action) is drawn
equally often, where that is possible, and a part of the questions name it. Whether a question has an answer does not
depend on its time (`answer_rates`). What is asked about the past may be on view at the time: a single frame then
teaches what it looks like, and longer clips that it stays true. The queries of validation and test come from `queries`
instead, which balances times and answers, and asks about the past only what is no longer on view.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations, product
from random import Random

import numpy as np

from vidseq.classroom.actions import DECIDED_BY, RING_OF
from vidseq.classroom.answer_rates import AnswerRates
from vidseq.classroom.answers import KINDS, MAX_COUNT, UNKNOWN, Question
from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.moment import Moment, VideoMoments
from vidseq.classroom.palette import COLORED, GIFTS, PROGRAMMES, SIGNALS, SYMBOLS, TOYS, ZONE_WORDS
from vidseq.classroom.plan import SPLITS, draw_world, twin
from vidseq.classroom.record import Record
from vidseq.classroom.wording import answer_sentence, forms_of, word_question
from vidseq.classroom.world import World
from vidseq.data.dataset import Dataset
from vidseq.data.schema import NEXT_ACTION, QUESTION, Query
from vidseq.errors import DataError
from vidseq.files import parse_json

#: What a question is answered with where nothing that was seen answers it.
NOTHING = (UNKNOWN, "0")

#: How many turns families have: several things decide next actions, few of the others can be asked at most times, and
#: what must be joined from several moments is learnt last.
TURNS = {
    NEXT_ACTION: 2 * len(set(DECIDED_BY)),
    "color_now": 2,
    "doing": 3,
    "color_then": 5,
    "who": 6,
    "first_last": 4,
    "hidden": 4,
    "count": 4,
    "order": 6,
    "who_did": 6,
    "holding": 4,
    "held_by": 5,
    "held": 5,
    "put_away": 2,
}

#: What is asked in training alone, where one of some families is asked: the steps to what joins several moments.
#: Who held something up, and what was held up first, must be seen when it happens; then the shirt of who held it leads
#: to the name, and what was first of all is often what was first of two. Without these steps, neither was learnt.
ASKED_BESIDE = {"holding": ("who_did", "order"), "held_by": ("who_did",), "held": ("order",), "put_away": ("order",)}

#: Share of the questions about names that are kept where the names that were shown, one or none, are the answer: then
#: nobody need know who wears which name, and none would learn it.
LONE_NAME_KEPT = 0.2

#: Share of the questions about the first, or last, of several that are kept where first and last are the same, and on
#: view no more: else most teach nothing of order, and the chair's colours were learnt without it.
ONLY_ONE_KEPT = 0.3
NOW_SECONDS = 0.01
_OF_SEVERAL = ("color_then", "first_last", "held")

#: Share of the questions about next actions that name the present action, or the card or programme.
HINTED = 0.3

#: How many questions of a family are drawn until one can be asked, and how many families, before a query is left out.
ATTEMPTS = 3
FAMILIES_TRIED = 6

#: `answer_rates` come from so many worlds, each at so many times.
RATE_WORLDS = 200
RATE_TIMES = 16

#: Families that no single frame answers, and those of which another family asks a frame.
_NEVER_STANDING = (NEXT_ACTION, "order", "held_by", "held", "put_away")

_SHOWING = ("card", "television")
_WHICH = ("first", "last")


@dataclass
class QuestionSampler:
    """Asks the videos of one configuration; see `vidseq.data.question_source.QuestionSource`.

    Args:
        config: the configuration that the videos were made with.
    """

    config: ClassroomConfig
    _moments: dict[str, VideoMoments] = field(default_factory=dict)

    def texts(self) -> list[str]:
        """All texts of all questions."""
        families = dict.fromkeys(self._families)
        questions = [question for family in families for question in _all_questions(family, self.config)]
        texts = [word_question(question, form) for question in questions for form in forms_of(question)]
        return texts + (_all_hints(self.config) if NEXT_ACTION in self.config.families else [])

    def standing(self) -> list[str]:
        """A question for each thing that a frame may show; see `QuestionSource.standing`."""
        families = dict.fromkeys(family for family in self._families if family not in _NEVER_STANDING)
        things = {
            (question.kind, question.subject): question
            for family in families
            for question in _all_questions(family, self.config)
            if question.kind != "name_at"  # the name of each child says it
        }
        return [word_question(question, forms_of(question)[0]) for question in things.values()]

    def draw(
        self, video: str, time: float, count: int, rng: np.random.Generator, *, since: float = -math.inf
    ) -> list[Query]:
        """Draws queries about a video at a time (seconds); see `QuestionSource.draw`.

        A next action is asked where a clip shows, or the question says, what decides it.
        """
        moment = self._moments_of(video).at(time, since)
        fast = Random(int(rng.integers(2**62)))  # NumPy's generator takes several times as long for one number
        drawn = (self._draw_one(moment, fast) for _ in range(count))
        return [query for query in drawn if query is not None]

    def _draw_one(self, moment: Moment, rng: Random) -> Query | None:
        families = dict.fromkeys(rng.sample(self._families, min(FAMILIES_TRIED, len(self._families))))
        for family in families:
            drawn = _first_that_can_be_asked(moment, family, rng)
            # A question that is not kept has no second try, which would draw what is to be kept less often.
            if drawn is not None and rng.random() < self._kept(moment, family, *drawn):
                return self._query(moment, family, *drawn, rng)
        return None

    @cached_property
    def _families(self) -> list[str]:
        beside = [name for name, of in ASKED_BESIDE.items() if {*of} & {*self.config.families}]
        return [family for family in (*self.config.families, *beside) for _ in range(TURNS[family])]

    def _kept(self, moment: Moment, family: str, question: Question, found: str) -> float:
        """The share of drawn questions with this answer that are kept."""
        if family == NEXT_ACTION:
            return 1 / DECIDED_BY.count(moment.decider(question.subject))
        kept = LONE_NAME_KEPT if family in ("who", "who_did") and moment.names in ({found}, set()) else 1.0
        if found not in NOTHING:
            return ONLY_ONE_KEPT if family in _OF_SEVERAL and _is_only_one(moment, question, found) else kept
        wanted = 1 / (1 + _NUM_ANSWERS[family](self.config))
        return kept * self.rates.unanswered_kept(family, wanted, moment.time, moment.time - moment.since)

    @cached_property
    def rates(self) -> AnswerRates:
        """How often a drawn question has an answer, by family and time, in worlds of this configuration."""
        longest = self.config.seconds * (1 + self.config.seconds_spread)
        times, rng = np.linspace(0, longest, RATE_TIMES), Random(self.config.seed)
        families = [family for family in dict.fromkeys(self._families) if family in _NUM_ANSWERS]
        seen: dict[str, list[list[bool]]] = {family: [[] for _ in times] for family in families}
        for moments in (
            VideoMoments(self.config, draw_world(self.config, "train", index)) for index in range(RATE_WORLDS)
        ):
            for index, time in enumerate(times[times <= moments.world.seconds]):
                moment = moments.at(float(time))
                for family in families:
                    question = _DRAWN[family](moment, rng)
                    if question is not None:
                        seen[family][index].append(_ideal_answer(moment.record, moment, question) not in NOTHING)
        rates = {
            family: np.array([np.mean(found) if found else np.nan for found in places])
            for family, places in seen.items()
        }
        return AnswerRates(times, {family: _filled(rate) for family, rate in rates.items()})

    def _query(self, moment: Moment, family: str, question: Question, found: str, rng: Random) -> Query:
        forms, is_next = forms_of(question), family == NEXT_ACTION
        in_words = is_next or self.config.answers == "words"
        hints = _hints(moment, question.subject, rng) if is_next else []
        return Query(
            video=moment.world.video,
            time=moment.time,
            kind=NEXT_ACTION if is_next else QUESTION,
            question=" ".join([*(f"{hint}." for hint in hints), word_question(question, rng.choice(forms))]),
            answer=found if in_words else answer_sentence(question, found),
            family=family,
        )

    def _moments_of(self, video: str) -> VideoMoments:
        if video not in self._moments:
            self._moments[video] = VideoMoments(self.config, world_of(self.config, video))
        return self._moments[video]


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


def _filled(rate: np.ndarray) -> np.ndarray:
    """Rates over time, with those before where there is none."""
    known = np.flatnonzero(~np.isnan(rate))
    return np.interp(np.arange(len(rate)), known, rate[known]) if len(known) else np.zeros(len(rate))


def _first_that_can_be_asked(moment: Moment, family: str, rng: Random) -> tuple[Question, str] | None:
    """A question of a family and its answer; None: none of a few can be asked now."""
    for _ in range(ATTEMPTS):
        question = _DRAWN[family](moment, rng)
        found = None if question is None else _answer(moment, family, question)
        if question is not None and found is not None:
            return question, found
    return None


def _answer(moment: Moment, family: str, question: Question) -> str | None:
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


def _is_only_one(moment: Moment, question: Question, found: str) -> bool:
    """Whether the first and the last are the same, and on view no more."""
    other = dataclasses.replace(question, which="last" if question.which == "first" else "first")
    if _ideal_answer(moment.record, moment, other) != found:
        return False
    now = moment.record.window(moment.time - NOW_SECONDS, moment.time)
    return _ideal_answer(now, moment, question) == UNKNOWN


def _ideal_answer(record: Record, moment: Moment, question: Question) -> str:
    return KINDS[question.kind](record, question, moment.time, moment.world.noise) or UNKNOWN


def _next_action(moment: Moment, shirt: str) -> str | None:
    """What the child does after its present action; None: it has none of the rings, nothing follows or decides it."""
    child = moment.child(shirt)
    step = child.step_at(moment.time)
    if step is None or step.action not in RING_OF or moment.time <= step.arrives:
        return None
    if moment.next_action(child) is None or not (moment.clip_decides(child) or moment.decider(shirt) in _SHOWING):
        return None
    following = [other.action for other in child.steps if other.start >= step.end]
    return following[0] if following else None


def _hints(moment: Moment, shirt: str, rng: Random) -> list[str]:
    """Sentences that say what decides a next action: what the clip does not show, and a part of the rest.

    Card and action decide together: neither alone says anything, so that who does not know one learns nothing of the
    other. A question that names one lets the other be learnt.
    """
    child, decider, said = moment.child(shirt), moment.decider(shirt), []
    if decider in _SHOWING and (rng.random() < HINTED or not moment.clip_decides(child)):
        shown = Question("shown", decider)
        said.append(answer_sentence(shown, _ideal_answer(moment.record, moment, shown)))
    if rng.random() < HINTED:
        doing = Question("doing", shirt)
        said.append(answer_sentence(doing, _ideal_answer(moment.record, moment, doing)))
    return said


# -- drawing a question of a family; None: there is none to ask now


def _color_now(moment: Moment, rng: Random) -> Question:
    return Question("color_now", rng.choice(COLORED))


def _doing(moment: Moment, rng: Random) -> Question | None:
    return _of_a_child("doing", moment, rng)


def _next(moment: Moment, rng: Random) -> Question | None:
    return _of_a_child("next", moment, rng)


def _of_a_child(kind: str, moment: Moment, rng: Random) -> Question | None:
    shirts = tuple(child.shirt for child in moment.present)
    return Question(kind, rng.choice(shirts)) if shirts else None


def _who(moment: Moment, rng: Random) -> Question | None:
    zones = [fact.value for fact in moment.record.find(None, "zone", at=moment.time)]
    alone = tuple(zone for zone in zones if zone in ZONE_WORDS and zones.count(zone) == 1)
    if alone and rng.random() < 0.5:
        return Question("name_at", rng.choice(alone))
    return _of_a_child("name_of", moment, rng)


def _color_then(moment: Moment, rng: Random) -> Question:
    return Question("color_then", "chair", rng.choice(_WHICH))


def _first_last(moment: Moment, rng: Random) -> Question:
    return Question("shown", rng.choice(_SHOWING), rng.choice(_WHICH))


def _hidden(moment: Moment, rng: Random) -> Question:
    return Question("box_of", rng.choice(TOYS[: moment.config.num_toys]), rng.choice(_WHICH))


def _count(moment: Moment, rng: Random) -> Question:
    return Question("times", rng.choice(SIGNALS))


def _order(moment: Moment, rng: Random) -> Question:
    config = moment.config
    if rng.random() < 0.5:
        return Question("first_hidden", *rng.sample(TOYS[: config.num_toys], 2))
    return Question("first_held", *rng.sample(GIFTS[: config.num_gifts], 2))


def _who_did(moment: Moment, rng: Random) -> Question:
    return Question("holder", rng.choice(GIFTS[: moment.config.num_gifts]))


def _holding(moment: Moment, rng: Random) -> Question | None:
    """Of a child that holds something up, or of any one: most of the time none does."""
    holders = {fact.entity for fact in moment.record.find(None, "holds", at=moment.time)}
    shirts = tuple(child.shirt for child in moment.present if child.child in holders)
    if shirts and rng.random() < 0.5:
        return Question("holding", rng.choice(shirts))
    return _of_a_child("holding", moment, rng)


def _held_by(moment: Moment, rng: Random) -> Question:
    return Question("held_by", rng.choice(GIFTS[: moment.config.num_gifts]))


def _held(moment: Moment, rng: Random) -> Question:
    return Question("held", "gift", rng.choice(_WHICH))


def _put_away(moment: Moment, rng: Random) -> Question:
    return Question("put_away", "toy", rng.choice(_WHICH))


_DRAWN: dict[str, Callable[[Moment, Random], Question | None]] = {
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
    "holding": _holding,
    "held_by": _held_by,
    "held": _held,
    "put_away": _put_away,
}


#: How many answers there are beside "unknown", or "0", in the families where that is one; it is as likely as each.
_NUM_ANSWERS: dict[str, Callable[[ClassroomConfig], int]] = {
    "who": lambda config: config.num_names,
    "color_then": lambda config: config.num_colors,
    "first_last": lambda config: len(PROGRAMMES),
    "hidden": lambda config: config.num_colors,
    "count": lambda config: MAX_COUNT,
    "order": lambda config: 2,
    "who_did": lambda config: config.num_names,
    "holding": lambda config: config.num_gifts,
    "held_by": lambda config: config.num_colors,
    "held": lambda config: config.num_gifts,
    "put_away": lambda config: config.num_toys,
}


def _all_hints(config: ClassroomConfig) -> list[str]:
    """All sentences that may stand before a question."""
    shows = zip(_SHOWING, (SYMBOLS, PROGRAMMES))
    return [
        *(answer_sentence(Question("doing", shirt), action) for shirt in config.colors for action in RING_OF),
        *(answer_sentence(Question("shown", subject), value) for subject, values in shows for value in values),
    ]


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
        "holding": [Question("holding", shirt) for shirt in config.colors],
        "held_by": [Question("held_by", gift) for gift in gifts],
        "held": [Question("held", "gift", which) for which in _WHICH],
        "put_away": [Question("put_away", "toy", which) for which in _WHICH],
    }[family]
