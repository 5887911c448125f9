"""People: a posed body with clothes, a face and hair."""

import math
import zlib
from dataclasses import dataclass

from vidseq.classroom.drawing.canvas import Color, Pen, Point, mix, shade
from vidseq.classroom.drawing.colors import color_of
from vidseq.classroom.drawing.hair import draw_hair_behind, draw_hair_over, hair_color
from vidseq.classroom.drawing.poses import Pose
from vidseq.classroom.scene import Figure

ADULT_SCALE = 1.36
"""Height of the teacher over that of a child."""
_LIGHT_SKIN: Color = (255, 222, 192)
_DARK_SKIN: Color = (122, 78, 52)
_TROUSERS: tuple[Color, ...] = ((84, 96, 122), (112, 100, 92), (92, 110, 104), (104, 92, 116))
_SHOES: Color = (72, 62, 62)
_INK: Color = (58, 46, 46)


@dataclass(frozen=True, kw_only=True)
class Body:
    """Proportions, as shares of the whole height."""

    hip: float
    torso: float
    shoulder: float
    waist: float
    head: float
    arm: float
    limb: float


_CHILD = Body(hip=0.27, torso=0.31, shoulder=0.125, waist=0.135, head=0.175, arm=0.32, limb=0.082)
_ADULT = Body(hip=0.44, torso=0.31, shoulder=0.11, waist=0.105, head=0.105, arm=0.36, limb=0.064)


@dataclass(frozen=True)
class Joints:
    """Positions of the parts of a posed body, in its own coordinates."""

    hip: Point
    chest: Point
    head: Point
    left: Point
    right: Point


def body_of(figure: Figure) -> Body:
    """Returns the proportions of a figure."""
    return _ADULT if figure.adult else _CHILD


def joints_of(body: Body, pose: Pose) -> Joints:
    """Computes the joints of a body in a pose."""
    hip = (pose.hip[0], body.hip * (1 - pose.drop) + 0.06 * pose.drop + pose.hip[1])
    sin, cos = math.sin(pose.lean), math.cos(pose.lean)
    chest = (hip[0] + body.torso * sin, hip[1] + body.torso * cos)
    neck = body.head * 1.02
    nod = pose.lean * 0.5 + pose.tilt
    head = (chest[0] + neck * math.sin(nod), chest[1] + neck * math.cos(nod))
    left, right = (_within(chest, hand, body.arm) for hand in (pose.left, pose.right))
    return Joints(hip, chest, head, left, right)


def draw_figure(pen: Pen, figure: Figure, pose: Pose) -> Joints:
    """Draws a person who stands at the pen's origin.

    Args:
        pen: one unit is the person's height, mirrored for somebody who faces left.
        figure: its looks.
        pose: of its limbs, with the things of the action.

    Returns:
        the joints, for things that are held or worn.
    """
    body, joints = body_of(figure), joints_of(body_of(figure), pose)
    skin, shirt = skin_color(figure.skin), color_of(figure.shirt)
    trousers = _TROUSERS[zlib.crc32(figure.figure.encode()) % len(_TROUSERS)]
    hair = hair_color(figure.hair)
    head = pen.at(joints.head, body.head, -(pose.tilt + pose.lean * 0.4))
    _props(pen, pose, joints, 0)
    draw_hair_behind(head, figure.hair_style, hair)
    _arm(pen, joints.chest, joints.left, -1, body, shade(shirt, 0.8), shade(skin, 0.9))
    _legs(pen, joints.hip, pose, body, trousers)
    _torso(pen, joints, body, shirt)
    pen.line((joints.chest, joints.head), shade(skin, 0.88), body.head * 0.5)
    _face(head, skin, pose)
    draw_hair_over(head, figure.hair_style, hair)
    _props(pen, pose, joints, 1)
    _arm(pen, joints.chest, joints.right, 1, body, shade(shirt, 0.9), skin)
    _props(pen, pose, joints, 2)
    return joints


def _props(pen: Pen, pose: Pose, joints: Joints, layer: int) -> None:
    anchors = {
        "chest": joints.chest,
        "head": joints.head,
        "left": joints.left,
        "right": joints.right,
        "ground": (0, 0),
    }
    for prop in pose.props:
        if prop.layer == layer:
            x, y = anchors[prop.anchor]
            prop.draw(pen.at((x + prop.x, y + prop.y), prop.scale, prop.turn))


def skin_color(skin: float) -> Color:
    """Returns the colour of skin, 0 light to 1 dark."""
    return mix(_LIGHT_SKIN, _DARK_SKIN, min(max(skin, 0.0), 1.0))


def _within(shoulder: Point, hand: Point, arm: float) -> Point:
    """Returns the position of a hand that reaches for a point given from the chest, within the arm's length."""
    reach = math.hypot(*hand)
    part = min(1.0, arm * 1.12 / reach) if reach else 1.0
    return (shoulder[0] + hand[0] * part, shoulder[1] + hand[1] * part)


def _arm(pen: Pen, chest: Point, hand: Point, side: int, body: Body, sleeve: Color, skin: Color) -> None:
    shoulder = (chest[0] + side * body.shoulder * 0.86, chest[1] - body.limb * 0.7)
    elbow = _elbow(shoulder, hand, body.arm / 2, side)
    pen.line((shoulder, elbow, hand), skin, body.limb * 0.8)
    pen.line((shoulder, elbow), sleeve, body.limb)
    pen.circle(*hand, body.limb * 0.58, skin)


def _elbow(shoulder: Point, hand: Point, half: float, side: int) -> Point:
    """Returns the joint of two equal bones between shoulder and hand, bent outwards and down."""
    x, y = hand[0] - shoulder[0], hand[1] - shoulder[1]
    reach = max(math.hypot(x, y), 1e-6)
    bend = math.sqrt(max(half * half - reach * reach / 4, 0.0))
    across, up = -y / reach * bend, x / reach * bend
    if across * side - up < 0:
        across, up = -across, -up
    return (shoulder[0] + x / 2 + across, shoulder[1] + y / 2 + up)


def _legs(pen: Pen, hip: Point, pose: Pose, body: Body, trousers: Color) -> None:
    for side, foot, tone in ((-1, pose.left_foot, 0.86), (1, pose.right_foot, 1.0)):
        start = (hip[0] + side * body.waist * 0.5, hip[1])
        knee = _knee(start, foot, body.hip * 0.475)
        pen.line((start, knee, foot), shade(trousers, tone), body.limb * 1.35)
        pen.ellipse(foot[0] + 0.025, foot[1] - 0.005, body.limb * 0.85, body.limb * 0.48, _SHOES)


def _knee(hip: Point, foot: Point, half: float) -> Point:
    """Returns the joint of thigh and shin, bent forwards."""
    x, y = foot[0] - hip[0], foot[1] - hip[1]
    reach = max(math.hypot(x, y), 1e-6)
    bend = math.sqrt(max(half * half - reach * reach / 4, 0.0))
    return (hip[0] + x / 2 - y / reach * bend, hip[1] + y / 2 + x / reach * bend)


def _torso(pen: Pen, joints: Joints, body: Body, shirt: Color) -> None:
    (hip_x, hip_y), (chest_x, chest_y) = joints.hip, joints.chest
    wide, narrow = body.waist, body.shoulder
    outline = [
        (hip_x - wide, hip_y - 0.02),
        (hip_x + wide, hip_y - 0.02),
        (hip_x + wide * 0.98, hip_y + 0.08),
        (chest_x + narrow, chest_y - 0.07),
        (chest_x + narrow * 0.86, chest_y - 0.02),
        (chest_x + narrow * 0.4, chest_y + 0.012),
        (chest_x - narrow * 0.4, chest_y + 0.012),
        (chest_x - narrow * 0.86, chest_y - 0.02),
        (chest_x - narrow, chest_y - 0.07),
        (hip_x - wide * 0.98, hip_y + 0.08),
    ]
    pen.polygon(outline, shirt)
    pen.polygon(
        (
            outline[0],
            outline[9],
            outline[8],
            (chest_x - narrow * 0.7, chest_y - 0.08),
            (hip_x - wide * 0.66, hip_y - 0.02),
        ),
        shade(shirt, 0.88),
    )
    pen.line((outline[0], outline[1]), shade(shirt, 0.8), 0.018)


def _face(head: Pen, skin: Color, pose: Pose) -> None:
    """Draws the head; one unit is its radius, and it looks a little to the right."""
    head.ellipse(0, 0, 0.94, 1.0, skin)
    head.ellipse(-0.62, -0.1, 0.16, 0.22, shade(skin, 0.92))
    for x in (-0.05, 0.62):
        head.ellipse(x, -0.34, 0.15, 0.1, mix(skin, (232, 110, 100), 0.4))
        if pose.eyes == "closed":
            head.line(((x - 0.03, -0.06), (x + 0.07, -0.11), (x + 0.17, -0.06)), _INK, 0.07)
        else:
            head.ellipse(x + 0.07, -0.03, 0.1, 0.145, _INK)
            head.circle(x + 0.1, 0.02, 0.04, (255, 255, 255))
    head.ellipse(0.4, -0.2, 0.07, 0.05, shade(skin, 0.86))
    _mouth(head, skin, pose.mouth)


def _mouth(head: Pen, skin: Color, mouth: str) -> None:
    red: Color = (166, 68, 66)
    if mouth == "open":
        head.ellipse(0.34, -0.5, 0.2, 0.2, red, part=(180, 360))
    elif mouth == "round":
        head.ellipse(0.34, -0.54, 0.13, 0.17, red)
    else:
        head.line(((0.17, -0.48), (0.26, -0.55), (0.4, -0.56), (0.5, -0.49)), shade(red, 0.8), 0.07)
