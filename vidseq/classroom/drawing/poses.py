"""How limbs are held in each action, moving gently as the action goes on."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from vidseq.classroom.drawing import props
from vidseq.classroom.drawing.canvas import Pen, Point
from vidseq.errors import unknown_name


@dataclass(frozen=True)
class Prop:
    """A thing that belongs to an action."""

    draw: Callable[[Pen], None]
    x: float
    y: float
    scale: float = 1.0
    turn: float = 0.0
    anchor: str = "chest"
    """What (x, y) is counted from: "chest", "head", "left" or "right" (hands), or "ground" (between the feet)."""
    layer: int = 1
    """0 behind the body, 1 between body and near arm, 2 before all."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A pose of a body that looks to the right; lengths are parts of its height."""

    left: Point = (-0.14, -0.3)
    """The far hand, from the middle of the chest."""
    right: Point = (0.15, -0.3)
    """The near hand, from the middle of the chest."""
    left_foot: Point = (-0.075, 0.02)
    right_foot: Point = (0.07, 0.015)
    hip: Point = (0.0, 0.0)
    """The hip moved from where it is when standing."""
    drop: float = 0.0
    """0 standing to 1 sitting on the floor."""
    lean: float = 0.0
    """Of the trunk, radians, forwards."""
    tilt: float = 0.0
    """Of the head, radians, forwards."""
    eyes: str = "open"
    mouth: str = "smile"
    props: tuple[Prop, ...] = ()


def _wave(phase: float, seconds: float, late: float = 0.0) -> float:
    """Swings between -1 and 1, once in so many seconds."""
    return math.sin(2 * math.pi * (phase / seconds - late))


def _stand(t: float) -> Pose:
    sway = 0.01 * _wave(t, 2.4)
    return Pose(left=(-0.15, -0.36), right=(0.16, -0.36), lean=sway, tilt=-sway)


def _walk(t: float) -> Pose:
    step = _wave(t, 0.8)
    lift = 0.05
    return Pose(
        left=(0.17 * step, -0.27),
        right=(-0.17 * step, -0.27),
        left_foot=(-0.02 - 0.13 * step, 0.02 + max(0.0, lift * _wave(t, 0.8, 0.25))),
        right_foot=(0.02 + 0.13 * step, 0.015 + max(0.0, -lift * _wave(t, 0.8, 0.25))),
        hip=(0, 0.012 * abs(step)),
        lean=0.08,
    )


def _come_in(t: float) -> Pose:
    wave = _wave(t, 0.7)
    return replace(
        _walk(t * 0.7),
        right=(0.26 + 0.04 * wave, 0.22),
        mouth="open",
        props=(Prop(props.backpack, -0.13, -0.08, layer=0),),
    )


def _hang_up_coat(t: float) -> Pose:
    reach = 0.02 * _wave(t, 1.8)
    return Pose(
        left=(0.14, 0.25 + reach),
        right=(0.27, 0.22 + reach),
        tilt=-0.2,
        props=(Prop(props.coat, 0.26, 0.23 + reach, scale=1.25),),
    )


def _build_blocks(t: float) -> Pose:
    lift = 0.5 + 0.5 * _wave(t, 2.2)
    tower = Prop(props.blocks_tower, 0.45, 0.0, anchor="ground", layer=2)
    return Pose(
        drop=1,
        left_foot=(0.22, 0.05),
        right_foot=(0.28, 0.03),
        lean=0.1,
        tilt=0.15,
        left=(0.2, -0.18),
        right=(0.26, -0.12 + 0.2 * lift),
        props=(tower, Prop(props.block, 0.04, 0.0, anchor="right", layer=2)),
    )


def _draw(t: float) -> Pose:
    stroke = 0.05 * _wave(t, 0.7)
    return Pose(
        lean=0.14,
        tilt=0.3,
        left=(-0.06, -0.2),
        right=(0.15 + stroke, -0.16),
        props=(
            Prop(props.drawing_paper, 0.06, -0.2, scale=1.1, layer=1),
            Prop(props.crayon, 0.0, 0.0, anchor="right", scale=1.2, layer=2),
        ),
    )


def _read_book(t: float) -> Pose:
    nod = 0.03 * _wave(t, 3.0)
    return Pose(
        drop=1,
        left_foot=(0.24, 0.05),
        right_foot=(0.3, 0.03),
        tilt=0.22 + nod,
        left=(-0.08, -0.1),
        right=(0.3, -0.1),
        props=(Prop(props.open_book, 0.12, -0.1, scale=1.1, layer=1),),
    )


def _paint(t: float) -> Pose:
    stroke, dab = 0.06 * _wave(t, 1.3), 0.03 * _wave(t, 0.65)
    return Pose(
        tilt=-0.05,
        left=(0.02, -0.2),
        right=(0.26 + dab, 0.05 + stroke),
        props=(
            Prop(props.canvas, 0.44, 0.02, scale=1.1, layer=0),
            Prop(props.palette, 0.0, -0.18, scale=1.1, layer=1),
            Prop(props.brush, 0.0, 0.0, anchor="right", layer=2),
        ),
    )


def _dance(t: float) -> Pose:
    swing, bounce = _wave(t, 1.0), abs(_wave(t, 1.0, 0.25))
    return Pose(
        left=(-0.31 - 0.03 * swing, 0.2 - 0.05 * swing),
        right=(0.31 - 0.03 * swing, 0.2 + 0.05 * swing),
        hip=(0.04 * swing, 0.04 * bounce),
        lean=-0.14 * swing,
        tilt=0.16 * swing,
        left_foot=(-0.1 - 0.06 * max(0.0, -swing), 0.02 + 0.1 * max(0.0, -swing)),
        right_foot=(0.1 + 0.06 * max(0.0, swing), 0.015 + 0.1 * max(0.0, swing)),
        mouth="open",
        props=(
            Prop(props.notes, 0.38, 0.12 + 0.04 * swing, scale=1.1, layer=0),
            Prop(props.note, -0.42, 0.05 - 0.04 * swing, scale=1.1, layer=0),
        ),
    )


def _water_plant(t: float) -> Pose:
    pour = 0.1 * _wave(t, 2.0)
    fall = (t * 0.35) % 0.06
    return Pose(
        lean=0.1,
        tilt=0.12,
        left=(0.13, -0.12),
        right=(0.24, -0.08),
        props=(
            Prop(props.plant, 0.6, 0.0, anchor="ground", layer=0, scale=0.95),
            Prop(props.drops, 0.6, 0.07 - fall, layer=0, scale=0.9),
            Prop(props.watering_can, 0.28, -0.06, turn=-0.5 + pour, scale=1.1, layer=2),
        ),
    )


def _eat_snack(t: float) -> Pose:
    bite = max(0.0, _wave(t, 2.4))
    return Pose(
        left=(0.0, -0.2),
        right=(0.22 - 0.06 * bite, -0.02 + 0.1 * bite),
        tilt=0.08 * bite,
        mouth="open" if bite > 0.3 else "smile",
        props=(
            Prop(props.plate, 0.1, -0.24, scale=1.05, layer=1),
            Prop(props.sandwich, 0.0, 0.03, anchor="right", scale=1.15, layer=2),
        ),
    )


def _wash_hands(t: float) -> Pose:
    rub = 0.035 * _wave(t, 0.6)
    return Pose(
        lean=0.16,
        tilt=0.2,
        left=(0.2 - rub, -0.16),
        right=(0.24 + rub, -0.16),
        props=(
            Prop(props.tap, 0.24, -0.02, layer=1),
            Prop(props.bubbles, 0.23, -0.16 + 0.2 * rub, layer=2, scale=1.1),
        ),
    )


def _tidy_up(t: float) -> Pose:
    lift = 0.03 * _wave(t, 1.6)
    return replace(
        _walk(t * 0.6),
        left=(0.05, -0.18 + lift),
        right=(0.25, -0.18 + lift),
        lean=-0.06,
        props=(Prop(props.crate, 0.17, -0.14 + lift, scale=1.1, layer=1),),
    )


def _play_drum(t: float) -> Pose:
    beat = _wave(t, 0.5)
    return Pose(
        left=(0.08, -0.04 + 0.09 * beat),
        right=(0.24, -0.04 - 0.09 * beat),
        hip=(0.0, 0.01 * abs(beat)),
        mouth="open",
        props=(
            Prop(props.toy("drum", 0.4), 0.17, -0.36, layer=1),
            Prop(props.stick, 0.0, 0.0, anchor="left", layer=1),
            Prop(props.stick, 0.0, 0.0, anchor="right", layer=2),
        ),
    )


def _jump_rope(t: float) -> Pose:
    turn = 2 * math.pi * t / 0.9
    height = max(0.0, -math.sin(turn))
    rise = 0.13 * height
    rope = partial(props.rope, swing=math.sin(turn), rise=rise)
    return Pose(
        left=(-0.27, -0.17),
        right=(0.27, -0.17),
        hip=(0.0, rise),
        left_foot=(-0.06, 0.02 + rise),
        right_foot=(0.06, 0.015 + rise),
        mouth="open",
        props=(Prop(rope, 0.0, 0.0, anchor="ground", layer=2 if math.cos(turn) > 0 else 0),),
    )


def _hug_teddy(t: float) -> Pose:
    squeeze = 0.02 * _wave(t, 2.0)
    return Pose(
        left=(0.04, -0.13 + squeeze),
        right=(0.14, -0.17 + squeeze),
        lean=0.5 * squeeze,
        tilt=0.16,
        eyes="closed",
        props=(Prop(props.toy("teddy", 0.36), 0.1, -0.36 + squeeze, layer=1),),
    )


def _drink_juice(t: float) -> Pose:
    sip = max(0.0, _wave(t, 3.0))
    return Pose(
        left=(-0.15, -0.3),
        right=(0.2 - 0.04 * sip, -0.02 + 0.06 * sip),
        tilt=-0.05 + 0.1 * sip,
        mouth="round",
        props=(Prop(props.juice, 0.02, -0.01, anchor="right", scale=1.15, layer=2),),
    )


def _look_out(t: float) -> Pose:
    scan = 0.1 * _wave(t, 4.0)
    return Pose(
        left=(0.26, 0.12 + scan * 0.3),
        right=(0.2, 0.1 + scan * 0.3),
        tilt=-0.1 - scan * 0.3,
        hip=(0.0, 0.02),
        left_foot=(-0.06, 0.035),
        right_foot=(0.08, 0.03),
        props=(Prop(props.telescope, 0.09, 0.0, anchor="head", scale=1.15, turn=0.12 + scan, layer=2),),
    )


def _sweep(t: float) -> Pose:
    stroke = _wave(t, 1.1)
    return Pose(
        lean=0.12 + 0.05 * stroke,
        left=(0.08 + 0.05 * stroke, 0.0),
        right=(0.18 + 0.06 * stroke, -0.18),
        left_foot=(-0.12, 0.02),
        right_foot=(0.1, 0.015),
        props=(
            Prop(props.broom, 0.15 + 0.06 * stroke, -0.12, turn=0.2 * stroke, layer=2),
            Prop(props.dust, 0.42 + 0.04 * stroke, 0.02, anchor="ground", layer=2),
        ),
    )


def _play_with_car(t: float) -> Pose:
    push = 0.05 * _wave(t, 1.6)
    return Pose(
        drop=0.95,
        left_foot=(-0.2, 0.05),
        right_foot=(-0.24, 0.03),
        lean=0.5,
        tilt=0.0,
        left=(0.12, -0.24),
        right=(0.22 + push, -0.18),
        mouth="round",
        props=(Prop(props.toy("car", 0.4), 0.45 + push, 0.0, anchor="ground", layer=1),),
    )


def _do_puzzle(t: float) -> Pose:
    fit = 0.5 + 0.5 * _wave(t, 2.6)
    return Pose(
        tilt=0.2,
        left=(-0.1, -0.2),
        right=(0.25, -0.06 + 0.1 * fit),
        props=(
            Prop(props.puzzle, 0.09, -0.16, scale=1.05, layer=1),
            Prop(props.puzzle_piece, 0.0, 0.0, anchor="right", layer=2),
        ),
    )


def _throw_ball(t: float) -> Pose:
    flight = (t / 1.4) % 1.0
    up = math.sin(math.pi * flight)
    return Pose(
        left=(0.1, 0.12 + 0.1 * up),
        right=(0.24, 0.14 + 0.1 * up),
        tilt=-0.25 * up,
        mouth="open",
        props=(Prop(props.toy("ball", 0.24), 0.24, 0.16 + 0.34 * up, layer=2),),
    )


def _show_card(t: float) -> Pose:
    return Pose(left=(-0.15, -0.36), right=(0.2, 0.26 + 0.01 * _wave(t, 2.0)), mouth="open")


_POSES: dict[str, Callable[[float], Pose]] = {
    "stand": _stand,
    "walk": _walk,
    "show_card": _show_card,
    "come_in": _come_in,
    "hang_up_coat": _hang_up_coat,
    "build_blocks": _build_blocks,
    "draw": _draw,
    "read_book": _read_book,
    "paint": _paint,
    "dance": _dance,
    "water_plant": _water_plant,
    "eat_snack": _eat_snack,
    "wash_hands": _wash_hands,
    "tidy_up": _tidy_up,
    "play_drum": _play_drum,
    "jump_rope": _jump_rope,
    "hug_teddy": _hug_teddy,
    "drink_juice": _drink_juice,
    "look_out": _look_out,
    "sweep": _sweep,
    "play_with_car": _play_with_car,
    "do_puzzle": _do_puzzle,
    "throw_ball": _throw_ball,
}


def pose_of(action: str, phase: float) -> Pose:
    """The pose of an action.

    Args:
        action: one of `actions.ACTIONS`, "walk", "stand" or "show_card".
        phase: seconds since the action began.

    Raises:
        UserError: there is no such action.
    """
    if action not in _POSES:
        raise unknown_name("action", action, _POSES)
    return _POSES[action](phase)
