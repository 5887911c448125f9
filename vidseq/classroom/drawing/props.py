"""Things that children hold in an action; one unit is the child's height, the origin is where it is held."""

import math
from collections.abc import Callable

from vidseq.classroom.drawing.canvas import Color, Pen, mix, shade
from vidseq.classroom.drawing.toys import draw_toy

_PAPER: Color = (253, 252, 246)
_WOOD: Color = (170, 120, 76)
_WATER: Color = (96, 176, 236)
_CRAYONS: tuple[Color, ...] = ((226, 70, 66), (50, 120, 220), (60, 166, 90), (246, 190, 50))


def toy(name: str, size: float) -> Callable[[Pen], None]:
    """Returns a drawing of a toy, `size` wide."""
    return lambda pen: draw_toy(pen.at((0, 0), scale=size), name)


def open_book(pen: Pen) -> None:
    """A large picture book, held open towards the reader, its cover to the camera."""
    cover: Color = (36, 132, 148)
    for side in (-1, 1):
        pen.polygon(((0, -0.13), (side * 0.23, -0.1), (side * 0.23, 0.15), (0, 0.1)), cover)
        pen.polygon(((0, 0.1), (side * 0.23, 0.15), (side * 0.21, 0.185), (0, 0.135)), _PAPER)
    pen.line(((0, -0.13), (0, 0.1)), shade(cover, 0.7), 0.02)
    pen.polygon(((0.05, -0.06), (0.18, -0.045), (0.18, 0.07), (0.05, 0.045)), (246, 222, 140))


def drawing_paper(pen: Pen) -> None:
    """A sheet with a child's scribble."""
    pen.polygon(((-0.22, -0.1), (0.2, -0.1), (0.25, 0.07), (-0.17, 0.07)), shade(_PAPER, 0.82))
    pen.polygon(((-0.21, -0.085), (0.2, -0.085), (0.245, 0.075), (-0.165, 0.075)), _PAPER)
    for k, color in enumerate(_CRAYONS):
        x = -0.12 + 0.085 * k
        pen.line(((x, -0.05), (x + 0.03, 0.03), (x + 0.05, -0.03), (x + 0.08, 0.05)), color, 0.02)


def crayon(pen: Pen) -> None:
    """A thick crayon, point down."""
    pen.line(((0.0, -0.07), (0.05, 0.1)), (226, 70, 66), 0.045)
    pen.line(((-0.008, -0.1), (0.0, -0.07)), (140, 40, 40), 0.025)


def brush(pen: Pen) -> None:
    """A long brush with paint on it."""
    pen.line(((-0.06, -0.05), (0.12, 0.09)), _WOOD, 0.03)
    pen.line(((0.12, 0.09), (0.19, 0.145)), (40, 110, 220), 0.06)


def palette(pen: Pen) -> None:
    """A painter's palette with blobs."""
    pen.ellipse(0, 0, 0.17, 0.12, (226, 188, 136), turn=0.2)
    for k, (x, y) in enumerate(((-0.09, 0.02), (-0.02, 0.06), (0.07, 0.05), (0.08, -0.04))):
        pen.circle(x, y, 0.034, _CRAYONS[k])


def canvas(pen: Pen) -> None:
    """A picture in the making, on the stand in front of the painter."""
    pen.rectangle(-0.035, -0.4, 0.03, 0.4, shade(_WOOD, 0.8))
    pen.rectangle(0.1, -0.4, 0.03, 0.4, shade(_WOOD, 0.8))
    pen.rounded(-0.14, -0.2, 0.4, 0.46, 0.02, _WOOD)
    pen.rectangle(-0.115, -0.175, 0.35, 0.41, _PAPER)
    pen.circle(0.0, 0.13, 0.055, (250, 196, 40))
    pen.rectangle(-0.115, -0.175, 0.35, 0.11, (90, 180, 96))
    pen.polygon(((0.02, -0.07), (0.18, -0.07), (0.1, 0.06)), (226, 70, 66))
    pen.line(((0.06, 0.15), (0.12, 0.19), (0.2, 0.16)), (50, 120, 220), 0.03)


def watering_can(pen: Pen) -> None:
    """A watering can that pours."""
    color: Color = (58, 164, 120)
    pen.ring(-0.1, 0.02, 0.08, shade(color, 0.75), 0.03)
    pen.polygon(((-0.1, 0.1), (0.1, 0.1), (0.12, -0.09), (-0.12, -0.09)), color)
    pen.line(((0.1, -0.05), (0.26, 0.1)), color, 0.045)
    pen.polygon(((0.22, 0.13), (0.3, 0.06), (0.32, 0.15)), shade(color, 0.75))


def drops(pen: Pen) -> None:
    """Falling water."""
    for x, y in ((0, 0), (0.05, -0.06), (-0.02, -0.11), (0.06, -0.16), (0.01, -0.22)):
        pen.ellipse(x, y, 0.017, 0.032, _WATER)


def plant(pen: Pen) -> None:
    """A potted plant on a stool."""
    pen.rectangle(-0.1, 0, 0.03, 0.2, _WOOD)
    pen.rectangle(0.07, 0, 0.03, 0.2, _WOOD)
    pen.rounded(-0.14, 0.18, 0.28, 0.05, 0.02, shade(_WOOD, 1.2))
    pen.polygon(((-0.1, 0.37), (0.1, 0.37), (0.075, 0.23), (-0.075, 0.23)), (206, 106, 66))
    for x, turn in ((-0.09, 2.3), (0.09, 0.85), (0.0, 1.57), (-0.05, 1.9), (0.05, 1.25)):
        pen.ellipse(x, 0.48, 0.12, 0.045, mix((60, 150, 70), (120, 190, 90), abs(x) * 8), turn=turn)


def sandwich(pen: Pen) -> None:
    """A large sandwich."""
    pen.polygon(((-0.11, -0.07), (0.12, -0.07), (0.0, 0.12)), (222, 170, 100))
    pen.polygon(((-0.09, -0.045), (0.1, -0.045), (0.0, 0.1)), (250, 228, 176))
    pen.line(((-0.09, -0.055), (0.1, -0.055)), (90, 180, 80), 0.035)
    pen.line(((-0.08, -0.08), (0.09, -0.08)), (230, 90, 70), 0.025)


def plate(pen: Pen) -> None:
    """A plate with an apple."""
    pen.ellipse(0, 0, 0.2, 0.055, (196, 206, 222))
    pen.ellipse(0, 0.012, 0.18, 0.045, (250, 250, 252))
    draw_toy(pen.at((0.07, 0.01), scale=0.15), "apple")


def juice(pen: Pen) -> None:
    """A tall glass of orange juice with a straw."""
    pen.line(((0.0, 0.02), (-0.03, 0.24)), (240, 80, 120), 0.025)
    pen.polygon(((-0.075, 0.15), (0.075, 0.15), (0.055, -0.1), (-0.055, -0.1)), (216, 236, 244))
    pen.polygon(((-0.066, 0.09), (0.066, 0.09), (0.052, -0.09), (-0.052, -0.09)), (250, 156, 30))


def bubbles(pen: Pen) -> None:
    """Soap foam and bubbles over wet hands."""
    for x, y, size in ((-0.09, 0.0, 0.06), (0.0, 0.02, 0.075), (0.09, -0.01, 0.06), (0.03, -0.05, 0.06)):
        pen.circle(x, y, size, (238, 248, 255))
    for x, y, size in ((-0.14, 0.16, 0.035), (0.12, 0.2, 0.045), (0.0, 0.29, 0.03), (0.2, 0.08, 0.03)):
        pen.circle(x, y, size, (176, 218, 246))
        pen.circle(x - size * 0.2, y + size * 0.2, size * 0.6, (232, 246, 255))


def tap(pen: Pen) -> None:
    """A tap with running water over a basin."""
    steel: Color = (150, 160, 172)
    pen.line(((0.16, -0.1), (0.16, 0.2), (0.03, 0.2), (0.03, 0.12)), steel, 0.04)
    pen.rectangle(0.005, -0.12, 0.05, 0.24, _WATER)


def crate(pen: Pen) -> None:
    """A crate full of toys, carried with both arms."""
    for name, x in (("ball", -0.11), ("duck", 0.02), ("blocks", 0.14)):
        draw_toy(pen.at((x, 0.03), scale=0.16), name)
    pen.polygon(((-0.22, 0.08), (0.24, 0.08), (0.2, -0.13), (-0.18, -0.13)), (224, 190, 120))
    for y in (0.0, -0.07):
        pen.line(((-0.19, y), (0.21, y)), (176, 136, 80), 0.018)


def coat(pen: Pen) -> None:
    """A coat held up by its collar."""
    color: Color = (86, 128, 110)
    pen.polygon(((-0.07, 0.04), (0.07, 0.04), (0.15, -0.3), (-0.15, -0.3)), color)
    pen.polygon(((-0.07, 0.04), (-0.19, -0.2), (-0.13, -0.23), (-0.05, -0.06)), shade(color, 0.85))
    pen.polygon(((0.07, 0.04), (0.19, -0.2), (0.13, -0.23), (0.05, -0.06)), shade(color, 0.85))
    pen.line(((0, 0.02), (0, -0.29)), shade(color, 0.65), 0.015)
    for y in (-0.08, -0.16, -0.24):
        pen.circle(0.025, y, 0.016, (244, 214, 120))
    pen.line(((-0.05, 0.05), (0, 0.09), (0.05, 0.05)), (120, 96, 80), 0.02)


def backpack(pen: Pen) -> None:
    """A school bag on the back."""
    pen.rounded(-0.13, -0.2, 0.22, 0.3, 0.07, (228, 150, 52))
    pen.rounded(-0.13, -0.17, 0.15, 0.13, 0.04, (190, 116, 36))


def stick(pen: Pen) -> None:
    """One drumstick."""
    pen.line(((-0.03, 0.03), (0.14, -0.09)), (216, 168, 104), 0.03)
    pen.circle(0.15, -0.1, 0.032, (246, 236, 214))


def broom(pen: Pen) -> None:
    """A broom with a long handle, bristles on the floor."""
    pen.line(((-0.1, 0.42), (0.1, -0.28)), (190, 140, 90), 0.032)
    pen.polygon(((0.05, -0.26), (0.15, -0.24), (0.24, -0.44), (0.0, -0.46)), (240, 200, 84))
    pen.line(((0.05, -0.27), (0.155, -0.245)), (200, 70, 60), 0.04)
    for x in (0.05, 0.11, 0.17):
        pen.line(((x + 0.02, -0.32), (x, -0.45)), (206, 160, 50), 0.012)


def dust(pen: Pen) -> None:
    """Dust in front of a broom."""
    for x, y, size in ((0, 0.02, 0.03), (0.07, 0.05, 0.024), (0.12, 0.015, 0.02)):
        pen.circle(x, y, size, (206, 196, 180))


def telescope(pen: Pen) -> None:
    """A toy telescope at the eye."""
    pen.line(((0.0, 0.0), (0.16, 0.04)), (70, 84, 130), 0.075)
    pen.line(((0.16, 0.04), (0.32, 0.08)), (98, 116, 170), 0.1)
    pen.line(((0.315, 0.03), (0.295, 0.13)), (240, 204, 96), 0.03)


def puzzle(pen: Pen) -> None:
    """A jigsaw picture with one piece missing."""
    pen.rounded(-0.23, -0.19, 0.46, 0.36, 0.02, (112, 84, 140))
    for row in range(2):
        for column in range(3):
            if (row, column) == (1, 2):
                continue
            color = ((120, 200, 226), (250, 206, 84), (240, 130, 120), (120, 190, 110), (200, 150, 220))[
                row * 3 + column
            ]
            pen.rectangle(-0.205 + 0.139 * column, -0.165 + 0.158 * row, 0.132, 0.15, color)
            pen.circle(-0.14 + 0.139 * column, -0.015 + 0.158 * (row - 1) + 0.158, 0.026, color)


def puzzle_piece(pen: Pen) -> None:
    """The missing piece, in the hand."""
    color: Color = (200, 150, 220)
    pen.rectangle(-0.06, -0.02, 0.13, 0.13, shade(color, 0.9))
    pen.circle(0.005, 0.12, 0.032, shade(color, 0.9))
    pen.circle(0.075, 0.045, 0.032, shade(color, 0.9))


def notes(pen: Pen) -> None:
    """Music in the air."""
    color: Color = (150, 60, 160)
    for x, y in ((0, 0), (0.13, 0.03)):
        pen.ellipse(x, y, 0.04, 0.03, color, turn=0.3)
        pen.line(((x + 0.034, y), (x + 0.034, y + 0.14)), color, 0.018)
    pen.line(((0.034, 0.14), (0.164, 0.17)), color, 0.035)


def note(pen: Pen) -> None:
    """A single note."""
    color: Color = (30, 120, 170)
    pen.ellipse(0, 0, 0.04, 0.03, color, turn=0.3)
    pen.line(((0.034, 0), (0.034, 0.14), (0.08, 0.1)), color, 0.018)


def block(pen: Pen) -> None:
    """One wooden block."""
    pen.rounded(-0.065, -0.065, 0.13, 0.13, 0.02, (196, 60, 56))
    pen.rounded(-0.048, -0.048, 0.096, 0.096, 0.02, (236, 92, 84))


def blocks_tower(pen: Pen) -> None:
    """A tower of blocks that stands on the floor."""
    corners = ((-0.1, 0.0), (0.05, 0.0), (-0.03, 0.14), (-0.02, 0.28))
    for (x, y), color in zip(corners, _CRAYONS):
        pen.rounded(x, y, 0.14, 0.135, 0.02, shade(color, 0.8))
        pen.rounded(x + 0.014, y + 0.014, 0.112, 0.107, 0.02, color)


def rope(pen: Pen, swing: float, rise: float) -> None:
    """A skipping rope between the hands, over the head (`swing` 1) or under the feet (-1)."""
    middle = 0.36 + rise
    high = 1.12 + rise - middle if swing > 0 else middle - 0.0
    points = []
    for k in range(17):
        turn = math.pi * k / 16
        points.append((-0.32 * math.cos(turn), middle + swing * high * math.sin(turn) ** 0.6))
    pen.line(points, (196, 40, 120), 0.026)
    for side in (-1, 1):
        pen.line(((side * 0.32, middle - 0.03), (side * 0.32, middle + 0.05)), (80, 60, 60), 0.05)
