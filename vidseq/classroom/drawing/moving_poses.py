"""Poses of actions that children do standing or walking, moving gently with time."""

import math
from dataclasses import replace
from functools import partial

from vidseq.classroom.drawing import props
from vidseq.classroom.drawing.pose import Pose, Prop, wave


def stand(t: float) -> Pose:
    """Stands."""
    sway = 0.01 * wave(t, 2.4)
    return Pose(left=(-0.15, -0.36), right=(0.16, -0.36), lean=sway, tilt=-sway)


def walk(t: float) -> Pose:
    """Walks."""
    step = wave(t, 0.8)
    lift = 0.05
    return Pose(
        left=(0.17 * step, -0.27),
        right=(-0.17 * step, -0.27),
        left_foot=(-0.02 - 0.13 * step, 0.02 + max(0.0, lift * wave(t, 0.8, 0.25))),
        right_foot=(0.02 + 0.13 * step, 0.015 + max(0.0, -lift * wave(t, 0.8, 0.25))),
        hip=(0, 0.012 * abs(step)),
        lean=0.08,
    )


def come_in(t: float) -> Pose:
    """Comes in with a school bag and waves."""
    greeting = wave(t, 0.7)
    return replace(
        walk(t * 0.7),
        right=(0.26 + 0.04 * greeting, 0.22),
        mouth="open",
        props=(Prop(props.backpack, -0.13, -0.08, layer=0),),
    )


def hang_up_coat(t: float) -> Pose:
    """Holds a coat up to the hooks."""
    reach = 0.02 * wave(t, 1.8)
    return Pose(
        left=(0.14, 0.25 + reach),
        right=(0.27, 0.22 + reach),
        tilt=-0.2,
        props=(Prop(props.coat, 0.26, 0.23 + reach, scale=1.25),),
    )


def tidy_up(t: float) -> Pose:
    """Carries a crate of toys."""
    lift = 0.03 * wave(t, 1.6)
    return replace(
        walk(t * 0.6),
        left=(0.05, -0.18 + lift),
        right=(0.25, -0.18 + lift),
        lean=-0.06,
        props=(Prop(props.crate, 0.17, -0.14 + lift, scale=1.1, layer=1),),
    )


def dance(t: float) -> Pose:
    """Dances to music."""
    swing, bounce = wave(t, 1.0), abs(wave(t, 1.0, 0.25))
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


def jump_rope(t: float) -> Pose:
    """Jumps over a turning rope."""
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


def throw_ball(t: float) -> Pose:
    """Throws a ball up and catches it."""
    flight = (t / 1.4) % 1.0
    up = math.sin(math.pi * flight)
    return Pose(
        left=(0.1, 0.12 + 0.1 * up),
        right=(0.24, 0.14 + 0.1 * up),
        tilt=-0.25 * up,
        mouth="open",
        props=(Prop(props.toy("ball", 0.24), 0.24, 0.16 + 0.34 * up, layer=2),),
    )


def play_drum(t: float) -> Pose:
    """Beats a drum."""
    beat = wave(t, 0.5)
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


def sweep(t: float) -> Pose:
    """Sweeps with a broom."""
    stroke = wave(t, 1.1)
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


def show_card(t: float) -> Pose:
    """Holds up a card."""
    return Pose(left=(-0.15, -0.36), right=(0.2, 0.26 + 0.01 * wave(t, 2.0)), mouth="open")
