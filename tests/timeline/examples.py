"""Timelines for tests."""

from itertools import pairwise

import numpy as np

from vidseq.timeline import Answer, Bar, Line, Timeline, TimelineQuery, TimelineVideo

LABELS = tuple(f"label_{index}" for index in range(19))


def bars(
    number: int, duration: float, *, confident: bool, seed: int = 0, labels: tuple[str, ...] = LABELS
) -> list[Bar]:
    """So many bars that fill a video."""
    rng = np.random.default_rng(seed)
    edges = [0.0, *np.sort(rng.uniform(0, duration, number - 1)).tolist(), duration]
    return [
        Bar(
            start=start,
            end=end,
            label=str(rng.choice(labels)),
            confidence=float(rng.uniform(0.2, 1)) if confident else None,
        )
        for start, end in pairwise(edges)
    ]


def small_video(name: str = "kitchen", text: str = "cut") -> TimelineVideo:
    """Ten seconds: two actions, one model that is right about one, three queries."""
    answers = [
        Answer(model="lstm", answer=text, probability=0.75, ranking=((text, 0.75), ("stir", 0.25)), right=True),
        Answer(model="conv", answer="stir", probability=0.5, right=False),
    ]
    return TimelineVideo(
        name=name,
        duration=10.0,
        lines=[
            Line(name="truth", role="truth", bars=[_bar(0, 4, text), _bar(4, 10, "stir")]),
            Line(name="lstm", role="predicted", bars=[_bar(5, 10, "stir", 0.5), _bar(0, 5, text, 0.9)]),
            Line(name="forecast · lstm", role="forecast", bars=[_bar(10, 14, "stir", 0.5), _bar(9, 12, text, 0.25)]),
        ],
        queries=[
            TimelineQuery(time=8.0, kind="question", question=f"What was {text}?", truth=text, evidence=((1, 2.5),),
                          answers=answers),
            TimelineQuery(time=3.0, kind="next_action", question=None, truth="stir",
                          answers=[Answer(model="lstm", answer="stir", probability=1.0, right=True)]),
            TimelineQuery(time=9.0, kind="question", question="And now?",
                          answers=[Answer(model="lstm", answer="", probability=0.0)]),
        ],
    )  # fmt: skip


def small_timeline(text: str = "cut") -> Timeline:
    return Timeline(title=f"Timeline {text}", videos=[small_video(text, text)], labels=(text, "stir"), notes=[text])


def _bar(start: float, end: float, label: str, confidence: float | None = None) -> Bar:
    return Bar(start=start, end=end, label=label, confidence=confidence)
