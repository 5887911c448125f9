"""Families about the present and what follows: what is happening, who does it, what comes next."""

from collections.abc import Iterable

from vidseq.data.questions.ages import AgeRanges
from vidseq.data.questions.family import Draft, Family, Subject, draft_or_none
from vidseq.data.questions.moment import MARGIN_SECONDS, Moment, is_steady
from vidseq.data.questions.past import TRACKS

#: How far ahead is asked, in seconds.
LEAD_SECONDS = (5, 10, 20)


def _scenes(moment: Moment) -> Iterable[Subject]:
    """The whole scene, or each track where there are several."""
    tracks = moment.actions.tracks
    return [(track,) for track in tracks] if len(tracks) > 1 else [()]


def _now(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers what is going on, in the scene or on a track."""
    around = [segment for segment in moment.around() if not subject or segment.track == subject[0]]
    if len(around) != 1 or not is_steady(around[0], moment.time):
        return None
    return draft_or_none(around[0].label, moment.done_labels, ((moment.time - MARGIN_SECONDS, moment.time),))


def _labels_going_on(moment: Moment) -> Iterable[Subject]:
    """The labels of what is going on, where there are several tracks."""
    return [(label,) for label in moment.present] if len(moment.actions.tracks) > 1 else []


def _who_does(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers on which track an action is going on."""
    doing = [segment for segment in moment.around() if segment.label == subject[0]]
    if len(doing) != 1 or not is_steady(doing[0], moment.time):
        return None
    return draft_or_none(doing[0].track, moment.actions.tracks, ((moment.time - MARGIN_SECONDS, moment.time),))


def _leads(moment: Moment) -> Iterable[Subject]:
    return ((str(lead),) for lead in LEAD_SECONDS)


def _next(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers what will be going on some seconds later, where that has not begun. Nothing shows it for certain."""
    lead = float(subject[0])
    coming = moment.around(lead)
    if len(coming) != 1 or not is_steady(coming[0], moment.time + lead):
        return None
    if coming[0].start < moment.time + MARGIN_SECONDS or coming[0].label in moment.present:
        return None
    return draft_or_none(coming[0].label, moment.actions.labels - {*moment.present})


PRESENT_FAMILIES = (
    Family("now", _scenes, _now, "videos that do the same at different times", about_present=True),
    Family("who_does", _labels_going_on, _who_does, TRACKS, about_present=True),
)
FUTURE_FAMILIES = (Family("next", _leads, _next, "an action that different actions follow"),)
