"""All families of questions, by name."""

from collections.abc import Iterable, Mapping, Sequence

from vidseq.data.questions.ages import AgeRanges
from vidseq.data.questions.family import NO, NOT_YET, YES, Family
from vidseq.data.questions.moment import Actions
from vidseq.data.questions.order import ORDER_FAMILIES
from vidseq.data.questions.past import MAX_COUNT, PAST_FAMILIES
from vidseq.data.questions.present import FUTURE_FAMILIES, PRESENT_FAMILIES
from vidseq.errors import unknown_name

FAMILIES: Mapping[str, Family] = {
    family.name: family for family in (*PRESENT_FAMILIES, *PAST_FAMILIES, *ORDER_FAMILIES, *FUTURE_FAMILIES)
}


def choose_families(names: Sequence[str]) -> list[Family]:
    """Returns families by name; all for no names.

    Raises:
        UserError: a name is unknown.
    """
    for name in names:
        if name not in FAMILIES:
            raise unknown_name("family", name, FAMILIES)
    return [FAMILIES[name] for name in dict.fromkeys(names or FAMILIES)]


def possible_answers(labels: Sequence[str], videos: Iterable[Actions], ages: AgeRanges) -> tuple[str, ...]:
    """Returns every answer that the families can have: labels, tracks, counts, ages, yes, no and not yet.

    Args:
        labels: the labels of actions, in order.
        videos: the actions of all videos, for their tracks.
        ages: the ranges of ages.
    """
    tracks = sorted({track for actions in videos if len(actions.tracks) > 1 for track in actions.tracks})
    counts = [str(count) for count in range(MAX_COUNT + 1)]
    return tuple(dict.fromkeys([*labels, *tracks, YES, NO, NOT_YET, *counts, *ages.answers]))
