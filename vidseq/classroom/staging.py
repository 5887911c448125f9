"""Stages a world: the scene at a time."""

import functools
from math import sin, tau

import numpy as np

from vidseq.classroom import palette
from vidseq.classroom.actions import ACTIONS
from vidseq.classroom.scene import Figure, Scene, Thing
from vidseq.classroom.scripts import Show
from vidseq.classroom.world import Child, World

Position = tuple[float, float]
"""(x, depth); see `scene.Figure` for the axes."""

#: Largest shift of a zone between videos, as a share of the room.
ZONE_SHIFT = 0.015

_FURNITURE = {
    "coat_rack": "coats",
    "bookshelf": "books",
    "window": "window",
    "easel": "easel",
    "sink": "sink",
    "toy_shelf": "shelf",
    "rug": "rug",
    "table": "table",
    "drum": "drum",
}

#: Seconds that the door stays open for a child that enters.
DOOR_OPEN_SECONDS = 2.0


def scene_at(world: World, time: float) -> Scene:
    """Makes the scene at a time (seconds); later events have no influence on it."""
    zones = zone_positions(world.layout_seed)
    children = [_child(world, index, time, zones) for index in range(len(world.children))]
    waves = np.random.default_rng(world.layout_seed).uniform(0, 1, size=8)
    return Scene(
        time=time,
        figures=(_teacher(world, time), *(figure for figure in children if figure is not None)),
        things=_things(world, time, zones),
        layout_seed=world.layout_seed,
        brightness=1.0 + 0.06 * sin(tau * (time / 37 + waves[0])),
        warmth=0.35 * sin(tau * (time / 61 + waves[1])),
        camera=(0.004 * sin(tau * (time / 2.3 + waves[2])), 0.003 * sin(tau * (time / 3.1 + waves[3]))),
        distractors=_distractors(time, waves),
    )


@functools.lru_cache(maxsize=64)
def zone_positions(layout_seed: int) -> dict[str, Position]:
    """Returns (x, depth) of each zone in one video."""
    shifts = np.random.default_rng([layout_seed, 1]).uniform(-ZONE_SHIFT, ZONE_SHIFT, size=(len(palette.ZONES), 2))
    return {
        zone: (float(x + dx), float(np.clip(depth + dd, 0, 1)))
        for (zone, (x, depth)), (dx, dd) in zip(palette.ZONES.items(), shifts)
    }


def _child(world: World, index: int, time: float, zones: dict[str, Position]) -> Figure | None:
    child = world.children[index]
    step = child.step_at(time)
    if step is None:
        return None
    target = _stand(zones, ACTIONS[step.action].zone, index)
    x, depth, facing, action, phase = *target, 1 if index % 2 == 0 else -1, step.action, time - step.arrives
    if time < step.arrives:
        before = child.steps[child.steps.index(step) - 1]
        x0, depth0 = _stand(zones, ACTIONS[before.action].zone, index)
        part = (time - step.start) / (step.arrives - step.start)
        part = part * part * (3 - 2 * part)
        facing = 1 if target[0] >= x0 else -1
        x, depth = x0 + part * (target[0] - x0), depth0 + part * (target[1] - depth0)
        action, phase = "walk", time - step.start
    return Figure(
        figure=child.child,
        x=x,
        depth=depth,
        action=action,
        phase=phase,
        facing=facing,
        shirt=child.shirt,
        hair=child.hair,
        hair_style=child.hair_style,
        skin=child.skin,
        name_tag=child.name if _within(child.tag, time) else None,
        holding=_held(world, child, time),
    )


def _stand(zones: dict[str, Position], zone: str, index: int) -> Position:
    """Returns a child's position at a zone; children at one zone stand beside one another."""
    x, depth = zones[zone]
    side = (0.0, 0.075, -0.075, 0.15)[index % 4] * (1 if x < 0.5 else -1)
    return float(np.clip(x + side, 0.04, 0.96)), min(1.0, depth + 0.06 + 0.03 * (index % 2))


def _held(world: World, child: Child, time: float) -> str | None:
    return next((h.gift for h in world.holds if h.child == child.child and h.start <= time < h.end), None)


def _teacher(world: World, time: float) -> Figure:
    x, depth = palette.POSITIONS["teacher"]
    card = showing(world.cards, time)
    return Figure(
        figure="teacher",
        x=x,
        depth=depth,
        action="show_card" if card else "stand",
        phase=time - card.start if card else time,
        adult=True,
        shirt="white",
        hair="brown",
        hair_style="bun",
        skin=0.3,
        holding=f"card:{card.value}" if card else None,
    )


def showing(shows: tuple[Show, ...], time: float) -> Show | None:
    """Returns the visible show at a time, or None."""
    return next((show for show in shows if show.start <= time < show.end), None)


def _things(world: World, time: float, zones: dict[str, Position]) -> tuple[Thing, ...]:
    things = [
        Thing(thing=kind, kind=kind, x=zones[zone][0], depth=zones[zone][1], color=_color(world, kind, time))
        for kind, zone in _FURNITURE.items()
    ]
    entering = any(child.enters <= time < child.enters + DOOR_OPEN_SECONDS for child in world.children)
    programme, chair = showing(world.programmes, time), showing(world.chair, time)
    things.append(
        _thing("door", zones["door"], color=_color(world, "door", time), state="open" if entering else "closed")
    )
    things.append(
        _thing(
            "television",
            palette.POSITIONS["television"],
            color="black",
            state="on" if programme else "off",
            content=programme.value if programme else None,
        )
    )
    things.append(_thing("chair", palette.POSITIONS["chair"], color=chair.value if chair else "brown"))
    rings = any(_within(span, time) for span in world.rings)
    flashes = any(_within(span, time) for span in world.flashes)
    things.append(_thing("bell", palette.POSITIONS["bell"], color="yellow", state="ringing" if rings else ""))
    things.append(_thing("lamp", palette.POSITIONS["lamp"], color="white", state="flashing" if flashes else ""))
    things += [_box(world, color, position, time) for color, position in zip(world.boxes, palette.BOX_POSITIONS)]
    return tuple(things)


def _thing(kind: str, position: Position, *, color: str, state: str = "", content: str | None = None) -> Thing:
    return Thing(thing=kind, kind=kind, x=position[0], depth=position[1], color=color, state=state, content=content)


def _color(world: World, thing: str, time: float) -> str:
    show = showing(world.colors.get(thing, ()), time)
    return show.value if show else "brown"


def _box(world: World, color: str, position: Position, time: float) -> Thing:
    toy = next((hide.toy for hide in world.hides if hide.box == color and hide.start <= time < hide.end), None)
    return Thing(
        thing=f"box:{color}",
        kind="box",
        x=position[0],
        depth=position[1],
        color=color,
        state="open" if toy else "closed",
        content=toy,
    )


def _distractors(time: float, waves: np.ndarray) -> tuple[Thing, ...]:
    fly = Thing(
        thing="fly",
        kind="fly",
        x=0.5 + 0.4 * sin(tau * (time / 17 + waves[4])),
        depth=0.4 + 0.3 * sin(tau * (time / 7 + waves[5])),
        color="black",
    )
    crossing = (time / 47 + waves[6]) % 1
    if crossing > 0.2:
        return (fly,)
    color = list(palette.COLORS)[int(waves[7] * len(palette.COLORS))]
    return (fly, Thing(thing="balloon", kind="balloon", x=0.4 + crossing, depth=0.0, color=color))


def _within(span: tuple[float, float] | None, time: float) -> bool:
    return span is not None and span[0] <= time < span[1]
