"""Draws a world: first the questions and their times, then the events that answer them, then the children's actions.

Every answer is uniform and independent of every time, and times are independent of values. So no answer depends on the
length of the video, the time of the question or the index of events.

The age of the evidence is, with probability 1/2, log-uniform between `MIN_AGE_SECONDS` and the longest possible age,
otherwise uniform up to it.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log

import numpy as np

from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.palette import COLORED, GIFTS, HAIR, HAIR_STYLES, PROGRAMMES, SIGNALS, SYMBOLS, TOYS
from vidseq.classroom.scripts import HABIT_RINGS, HABITS, Show, Table, draw_script
from vidseq.classroom.world import Child, Hide, Hold, QueryTarget, World

#: Smallest time between the end of the evidence and a question about the past, seconds.
MIN_AGE_SECONDS = 0.5

#: Seconds that cards, programmes, colours, open boxes, presents and name tags are visible.
SHOW_SECONDS = (2.2, 3.2)

#: Seconds that the bell rings or the lamp flashes, and the shortest pause after it.
SIGNAL_SECONDS = 1.2
PAUSE_SECONDS = 0.8

#: Smallest time between two entries, if the video is long enough, and the latest entry as a share of the video.
DOOR_SECONDS = 5.0
LATEST_ENTRY = 0.5

SPLITS = ("train", "val", "test")
_LAYOUTS_A_SPLIT = 10_000


def draw_world(config: ClassroomConfig, split: str, index: int) -> World:
    """Draws video `index` of a split, from the configuration's seed only."""
    streams = np.random.SeedSequence([config.seed, SPLITS.index(split), index]).spawn(3)
    looks, events, scripts = (np.random.default_rng(stream) for stream in streams)
    seconds = float(round(config.seconds * (1 + config.seconds_spread * looks.uniform(-1, 1))))
    world = World(
        video=f"{split}_{index:05d}",
        split=split,
        seconds=seconds,
        layout_seed=SPLITS.index(split) * _LAYOUTS_A_SPLIT + int(looks.integers(_LAYOUTS_A_SPLIT)),
        children=(),
        cards=_draw_shows(SYMBOLS, seconds, config.event_density, events),
        programmes=_draw_shows(PROGRAMMES, seconds, config.event_density, events),
        chair=(),
        hides=(),
        holds=(),
        rings=(),
        flashes=(),
        colors={thing: _draw_colors(config, seconds, events) for thing in COLORED},
        boxes=tuple(str(color) for color in looks.permutation(config.colors)),
        targets=(),
        noise=config.noise,
    )
    world = replace(world, children=_draw_children(world, config, looks, scripts))
    world = _add_chair(world, config, events)
    world = _add_hides(world, config, events)
    world = _add_signals(world, events)
    return _add_holds(world, config, events)


def draw_age(longest: float, rng: np.random.Generator) -> float:
    """Draws the age of evidence in seconds, from `MIN_AGE_SECONDS` to `longest`; see the module."""
    longest = max(longest, MIN_AGE_SECONDS)
    if rng.random() < 0.5:
        return round(exp(rng.uniform(log(MIN_AGE_SECONDS), log(longest))), 3)
    return round(rng.uniform(MIN_AGE_SECONDS, longest), 3)


def allowed_looks(split: str, colors: tuple[str, ...]) -> list[tuple[str, str]]:
    """Returns the pairs (shirt, hair style) of children in a split; no two splits share one."""
    parts = {"train": (2, 3, 4), "val": (1,), "test": (0,)}[split]
    return [
        (shirt, style)
        for i, shirt in enumerate(colors)
        for j, style in enumerate(HAIR_STYLES)
        if (i + j) % len(HAIR_STYLES) in parts
    ]


@dataclass
class _Calendar:
    """Occupied intervals; new ones must keep a pause."""

    taken: list[tuple[float, float]]

    def reserve(self, start: float, end: float) -> bool:
        start, end = round(start, 3), round(end, 3)
        free = all(end + PAUSE_SECONDS <= s or start >= e + PAUSE_SECONDS for s, e in self.taken)
        if free:
            self.taken.append((start, end))
        return free


def _differing(values: tuple[str, ...], count: int, rng: np.random.Generator) -> list[str]:
    """Draws values, uniform but never the same twice in a row, so that each one matters."""
    drawn: list[str] = []
    while len(drawn) < count:
        drawn.append(str(rng.choice([v for v in values if v not in drawn[-1:]])))
    return drawn


def _draw_shows(values: tuple[str, ...], seconds: float, density: float, rng: np.random.Generator) -> tuple[Show, ...]:
    """Draws a first show at the start, before any child needs it, and up to two more per unit of density."""
    count = 1 + int(rng.integers(0, 1 + max(1, round(2 * density))))
    calendar = _Calendar([])
    start = rng.uniform(0.2, 3.0)
    calendar.reserve(start, start + rng.uniform(*SHOW_SECONDS))
    for _ in range(count - 1):
        start = rng.uniform(0.0, seconds - 5.0)
        if start > 7.0:
            calendar.reserve(start, start + rng.uniform(*SHOW_SECONDS))
    times = sorted(calendar.taken)
    return tuple(Show(*span, value) for span, value in zip(times, _differing(values, len(times), rng)))


def _draw_colors(config: ClassroomConfig, seconds: float, rng: np.random.Generator) -> tuple[Show, ...]:
    """Draws the colours of a thing that changes up to twice per unit of density."""
    changes = rng.uniform(1.0, seconds - 1.0, size=int(rng.integers(0, 1 + max(1, round(2 * config.event_density)))))
    times = [0.0, *sorted({round(float(change), 3) for change in changes}), seconds]
    values = _differing(config.colors, len(times) - 1, rng)
    return tuple(Show(*span, value) for span, value in zip(pairwise(times), values))


def _draw_children(
    world: World, config: ClassroomConfig, looks: np.random.Generator, scripts: np.random.Generator
) -> tuple[Child, ...]:
    count = int(looks.integers(config.min_children, config.max_children + 1))
    pairs = allowed_looks(world.split, config.colors)
    shirts = [str(shirt) for shirt in looks.permutation(config.colors)][:count]
    children = []
    for index, enters in enumerate(_entries(world.seconds, count, scripts)):
        tag = round(enters + 0.4, 3)
        tagged = looks.random() < len(config.names) / (len(config.names) + 1)
        habits: dict[int, Table] = {ring: HABITS[scripts.integers(len(HABITS))] for ring in HABIT_RINGS}
        steps = draw_script(
            enters,
            world.seconds,
            {"card": world.cards, "television": world.programmes},
            habits,
            (config.min_action_seconds, config.max_action_seconds),
            config.noise,
            scripts,
        )
        shirt = shirts[index]
        children.append(
            Child(
                child=f"child{index}",
                shirt=shirt,
                hair=str(looks.choice(HAIR)),
                hair_style=str(looks.choice([style for color, style in pairs if color == shirt])),
                skin=float(looks.random()),
                name=str(looks.choice(config.names)),  # independent: no name reveals another
                tag=(tag, round(tag + _length(looks), 3)) if tagged else None,
                steps=steps,
            )
        )
    return tuple(children)


def _entries(seconds: float, count: int, rng: np.random.Generator) -> list[float]:
    """Draws the entries of children: the first at once, the others in the first half, one after another."""
    latest = LATEST_ENTRY * seconds
    apart = min(DOOR_SECONDS, latest / count)
    times = np.sort(rng.uniform(0.0, latest - apart * (count - 1), size=count))
    return [0.2, *(round(float(time) + apart * k, 3) for k, time in enumerate(times) if k > 0)]


def _query_time(world: World, rng: np.random.Generator) -> float:
    return round(rng.uniform(0.35 * world.seconds, world.seconds - 0.5), 3)


def _length(rng: np.random.Generator) -> float:
    return round(rng.uniform(*SHOW_SECONDS), 3)


def _happens(choices: int, rng: np.random.Generator) -> bool:
    """Draws whether an event happens, so that "unknown" is as likely as each of `choices` answers."""
    return bool(rng.random() < choices / (choices + 1))


def _two_or_three(things: tuple[str, ...], rng: np.random.Generator) -> list[str]:
    """Draws two or three things, in random order."""
    return [str(thing) for thing in rng.permutation(things)[: int(rng.integers(2, 4))]]


def _add_chair(world: World, config: ClassroomConfig, rng: np.random.Generator) -> World:
    time = _query_time(world, rng)
    lengths = [_length(rng) for _ in range(int(rng.integers(1, 3)))]
    start = round(time - draw_age(time - sum(lengths) - 0.2, rng) - sum(lengths), 3)
    times = [round(start + sum(lengths[:k]), 3) for k in range(len(lengths) + 1)]
    values = _differing(config.colors, len(lengths), rng)
    shows = tuple(Show(*span, value) for span, value in zip(pairwise(times), values))
    happens = _happens(len(config.colors), rng)
    target = QueryTarget(subject="chair", time=time, end=times[-1], happens=happens, spans=tuple(pairwise(times)))
    return replace(world, chair=shows if happens else (), targets=(*world.targets, target))


def _add_hides(world: World, config: ClassroomConfig, rng: np.random.Generator) -> World:
    """Adds toys that go into boxes, some of them twice, at different times, so that each is visible."""
    calendar = _Calendar([])
    hides, targets = list(world.hides), list(world.targets)
    for toy in _two_or_three(TOYS[: config.num_toys], rng):
        time = _query_time(world, rng)
        length = _length(rng)
        end = round(time - draw_age(time - length - 0.2, rng), 3)
        spans = [(round(end - length, 3), end)]
        if rng.random() < 0.5 and end - length > 6.0:
            start = round(rng.uniform(0.2, end - length - 4.0), 3)
            spans.insert(0, (start, round(start + length, 3)))
        boxes = _differing(config.colors, len(spans), rng)
        happens = _happens(len(config.colors), rng)
        reserved = [calendar.reserve(*span) for span in spans]
        if all(reserved):
            targets.append(QueryTarget(subject=toy, time=time, end=end, happens=happens, spans=tuple(spans)))
            if happens:
                hides += [Hide(toy=toy, box=box, start=s, end=e) for (s, e), box in zip(spans, boxes)]
    return replace(world, hides=tuple(hides), targets=tuple(targets))


def _add_signals(world: World, rng: np.random.Generator) -> World:
    """Adds 0 to 3 signals of the question's subject; the other signal makes the total independent of them."""
    time = _query_time(world, rng)
    slot = SIGNAL_SECONDS + PAUSE_SECONDS
    total = min(int(rng.integers(3, 7)), int((time - 0.7) / slot))
    count = int(rng.integers(0, 4))
    span = total * slot
    latest_end = time - draw_age(time - span - 0.2, rng)
    slack = np.sort(rng.uniform(0.2, max(0.2, latest_end - span), size=total))
    slack[-1] = max(0.2, latest_end - span)
    starts = [round(float(s) + slot * k, 3) for k, s in enumerate(slack)]
    spans = [(s, round(s + SIGNAL_SECONDS, 3)) for s in starts]
    mine = set(rng.permutation(total)[:count].tolist())
    subject_spans = tuple(span for k, span in enumerate(spans) if k in mine)
    other_spans = tuple(span for k, span in enumerate(spans) if k not in mine)
    subject = str(rng.choice(SIGNALS))
    target = QueryTarget(subject=subject, time=time, end=spans[-1][1], happens=True, spans=subject_spans)
    rings, flashes = (subject_spans, other_spans) if subject == "bell" else (other_spans, subject_spans)
    return replace(world, rings=rings, flashes=flashes, targets=(*world.targets, target))


def _add_holds(world: World, config: ClassroomConfig, rng: np.random.Generator) -> World:
    """Adds presents that are held up, each by a child whose name tag was visible before."""
    holds, targets = list(world.holds), list(world.targets)
    calendars = {child.child: _Calendar([]) for child in world.children}
    for gift in _two_or_three(GIFTS[: config.num_gifts], rng):
        time = _query_time(world, rng)
        length = _length(rng)
        end = round(time - draw_age(time - length - 7.0, rng), 3)
        start = round(end - length, 3)
        named = [child for child in world.children if child.tag is not None and child.tag[1] < start - 1.0]
        happens = _happens(len(config.names), rng)
        if not named:
            continue
        holder = named[int(rng.integers(len(named)))].child
        if calendars[holder].reserve(start, end):
            targets.append(QueryTarget(subject=gift, time=time, end=end, happens=happens, spans=((start, end),)))
            if happens:
                holds.append(Hold(gift=gift, child=holder, start=start, end=end))
    return replace(world, holds=tuple(holds), targets=tuple(targets))


def twin(world: World, config: ClassroomConfig) -> World:
    """Makes the same video with another past: every name, hiding position and earlier colour of the chair differs.

    The children's actions, and so the present, stay the same wherever none of these is visible.

    Args:
        world: the first of the pair.
        config: of the world.
    """
    rng = np.random.default_rng([config.seed, SPLITS.index(world.split), world.layout_seed])

    def turned(values: tuple[str, ...]) -> dict[str, str]:
        turn = int(rng.integers(1, len(values)))
        return {value: values[(k + turn) % len(values)] for k, value in enumerate(values)}

    names, boxes, colors = turned(config.names), turned(config.colors), turned(config.colors)
    return replace(
        world,
        video=f"{world.video}_twin",
        children=tuple(replace(child, name=names[child.name]) for child in world.children),
        hides=tuple(replace(hide, box=boxes[hide.box]) for hide in world.hides),
        chair=tuple(replace(show, value=colors[show.value]) for show in world.chair),
    )
