"""What every control has: a name, a parameter or none, and what it needs of the queries that it is put to."""

import dataclasses
import math
from abc import ABC
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from vidseq.data.schema import FRAME_LABEL, NEXT_ACTION, Query
from vidseq.errors import UserError, unknown_name


@dataclasses.dataclass(frozen=True)
class QueryFacts:
    """What decides whether a control has something to work on."""

    kinds: frozenset[str]
    """The kinds of query that are asked."""
    has_questions: bool
    """Whether some are asked in words."""
    has_evidence: bool
    """Whether some have evidence intervals."""
    has_segments: bool
    """Whether the labels of past segments are known."""
    num_groups: int
    """How many groups the split has."""

    @classmethod
    def of(cls, queries: Iterable[Query], *, has_segments: bool, num_groups: int) -> Self:
        """Collects the facts from queries, and from what is known of their data set."""
        queries = list(queries)
        return cls(
            frozenset(query.kind for query in queries),
            any(query.question for query in queries),
            any(query.evidence for query in queries),
            has_segments,
            num_groups,
        )


class Need(NamedTuple):
    """Something that a control cannot work without."""

    text: str
    """What is needed and what came, for the error."""
    is_met: Callable[[QueryFacts], bool]


PAST_LABELS = Need(
    "next actions, and segments of the past, got none",
    lambda facts: facts.has_segments and NEXT_ACTION in facts.kinds,
)
PAST_LABELS_AND_QUESTIONS = Need(
    "questions in words, and segments of the past, got none",
    lambda facts: facts.has_segments and facts.has_questions,
)
QUESTIONS = Need("questions in words, got none", lambda facts: facts.has_questions)
EVIDENCE = Need("queries with evidence intervals, got none", lambda facts: facts.has_evidence)
TWO_GROUPS = Need("videos of at least two groups, got one", lambda facts: facts.num_groups > 1)
#: A frame label is the label of a frame: without one there is nothing to ask.
QUERIES_WITHOUT_FRAME = Need(
    "queries that are something without a frame, got frame labels", lambda facts: FRAME_LABEL not in facts.kinds
)


class Parameter(NamedTuple):
    """How the parameter of a control is read and written."""

    meaning: str
    """In words, for the error."""
    example: str
    read: Callable[[str], Any]
    """Raises ValueError for a text that is no such parameter."""
    write: Callable[[Any], str]


def read_count(text: str) -> int:
    """Reads a whole number of at least 1; raises ValueError."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(text)
    return int(text)


def read_seconds(text: str) -> float:
    """Reads seconds such as "30s" or "1.5", at least 0; raises ValueError."""
    seconds = float(text.removesuffix("s"))
    if not (seconds >= 0 and math.isfinite(seconds)):
        raise ValueError(text)
    return seconds


def write_seconds(seconds: float) -> str:
    """Writes seconds as `read_seconds` reads them."""
    return f"{seconds:g}s"


class Control(ABC):
    """A comparison that stands beside a model's own answers.

    Subclasses are frozen dataclasses. One with a `parameter` has one field, whose default holds where the control is
    named alone: "ngram" is "ngram:3".
    """

    name: ClassVar[str]
    needs: ClassVar[Need | None] = None
    parameter: ClassVar[Parameter | None] = None

    def __str__(self) -> str:
        """The control as users write it: its name, and the parameter where it is not the default."""
        if self.parameter is None:
            return self.name
        (field,) = dataclasses.fields(self)  # type: ignore[arg-type]  # subclasses are dataclasses
        value = getattr(self, field.name)
        return self.name if value == field.default else f"{self.name}:{self.parameter.write(value)}"


ControlType = TypeVar("ControlType", bound=Control)


def parse_control(text: str, known: Mapping[str, type[ControlType]]) -> ControlType:
    """Reads a control such as "majority" or "ngram:2".

    Args:
        text: a name, or a name, a colon and a parameter.
        known: the controls that there are, by name.

    Raises:
        UserError: an unknown name, or a parameter that cannot be read.
    """
    name, colon, value = text.partition(":")
    control = known.get(name)
    if control is None or (colon and control.parameter is None):
        raise unknown_name("control", text, known)
    if not value:
        return control()
    assert control.parameter is not None
    try:
        return control(control.parameter.read(value))  # type: ignore[call-arg]  # its one field
    except ValueError:
        meaning, example = control.parameter.meaning, control.parameter.example
        raise UserError(f"Control {name} expects {meaning}, as in {name}:{example}, got '{text}'.") from None
