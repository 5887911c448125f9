"""The pose of every action."""

from collections.abc import Callable

from vidseq.classroom.drawing import moving_poses, props
from vidseq.classroom.drawing.pose import Pose, Prop, wave
from vidseq.errors import unknown_name


def _build_blocks(t: float) -> Pose:
    lift = 0.5 + 0.5 * wave(t, 2.2)
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
    stroke = 0.05 * wave(t, 0.7)
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
    nod = 0.03 * wave(t, 3.0)
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
    stroke, dab = 0.06 * wave(t, 1.3), 0.03 * wave(t, 0.65)
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


def _water_plant(t: float) -> Pose:
    pour = 0.1 * wave(t, 2.0)
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
    bite = max(0.0, wave(t, 2.4))
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
    rub = 0.035 * wave(t, 0.6)
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


def _hug_teddy(t: float) -> Pose:
    squeeze = 0.02 * wave(t, 2.0)
    return Pose(
        left=(0.04, -0.13 + squeeze),
        right=(0.14, -0.17 + squeeze),
        lean=0.5 * squeeze,
        tilt=0.16,
        eyes="closed",
        props=(Prop(props.toy("teddy", 0.36), 0.1, -0.36 + squeeze, layer=1),),
    )


def _drink_juice(t: float) -> Pose:
    sip = max(0.0, wave(t, 3.0))
    return Pose(
        left=(-0.15, -0.3),
        right=(0.2 - 0.04 * sip, -0.02 + 0.06 * sip),
        tilt=-0.05 + 0.1 * sip,
        mouth="round",
        props=(Prop(props.juice, 0.02, -0.01, anchor="right", scale=1.15, layer=2),),
    )


def _look_out(t: float) -> Pose:
    scan = 0.1 * wave(t, 4.0)
    return Pose(
        left=(0.26, 0.12 + scan * 0.3),
        right=(0.2, 0.1 + scan * 0.3),
        tilt=-0.1 - scan * 0.3,
        hip=(0.0, 0.02),
        left_foot=(-0.06, 0.035),
        right_foot=(0.08, 0.03),
        props=(Prop(props.telescope, 0.09, 0.0, anchor="head", scale=1.15, turn=0.12 + scan, layer=2),),
    )


def _play_with_car(t: float) -> Pose:
    push = 0.05 * wave(t, 1.6)
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
    fit = 0.5 + 0.5 * wave(t, 2.6)
    return Pose(
        tilt=0.2,
        left=(-0.1, -0.2),
        right=(0.25, -0.06 + 0.1 * fit),
        props=(
            Prop(props.puzzle, 0.09, -0.16, scale=1.05, layer=1),
            Prop(props.puzzle_piece, 0.0, 0.0, anchor="right", layer=2),
        ),
    )


_POSES: dict[str, Callable[[float], Pose]] = {
    "stand": moving_poses.stand,
    "walk": moving_poses.walk,
    "show_card": moving_poses.show_card,
    "come_in": moving_poses.come_in,
    "hang_up_coat": moving_poses.hang_up_coat,
    "build_blocks": _build_blocks,
    "draw": _draw,
    "read_book": _read_book,
    "paint": _paint,
    "dance": moving_poses.dance,
    "water_plant": _water_plant,
    "eat_snack": _eat_snack,
    "wash_hands": _wash_hands,
    "tidy_up": moving_poses.tidy_up,
    "play_drum": moving_poses.play_drum,
    "jump_rope": moving_poses.jump_rope,
    "hug_teddy": _hug_teddy,
    "drink_juice": _drink_juice,
    "look_out": _look_out,
    "sweep": moving_poses.sweep,
    "play_with_car": _play_with_car,
    "do_puzzle": _do_puzzle,
    "throw_ball": moving_poses.throw_ball,
}


def pose_of(action: str, phase: float) -> Pose:
    """Returns the pose of an action.

    Args:
        action: one of `actions.ACTIONS`, "walk", "stand" or "show_card".
        phase: seconds since the action began.

    Raises:
        UserError: there is no such action.
    """
    if action not in _POSES:
        raise unknown_name("action", action, _POSES)
    return _POSES[action](phase)
