"""Draws predictions on their video: the current action, the next action, questions and answers."""

import bisect
import dataclasses
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vidseq.data.schema import FRAME_LABEL, NEXT_ACTION, QUESTION
from vidseq.errors import UserError
from vidseq.inference.predictions import Prediction
from vidseq.progress import progress
from vidseq.reporting.bidi import without_controls
from vidseq.reporting.fonts import font_for, report_missing
from vidseq.video.reader import VideoReader
from vidseq.video.sound import sound_of
from vidseq.video.writer import VideoWriter, refuse_source
from vidseq.watch import watched

#: Seconds that a question and its answer stay on screen.
QUESTION_SECONDS = 5.0

#: The kinds of rows that are drawn: current action, next action and answers; forecasts of many actions are not.
DRAWN_KINDS = (FRAME_LABEL, NEXT_ACTION, QUESTION)

#: Largest and smallest frame rate of an annotated video: the drawing changes even while a picture is held.
MAX_FPS, MIN_FPS = 30, 4

#: Number of frames in memory while a video is annotated.
_CHUNK = 8

#: Number of labels of the next action with one track, and number of tracks that are shown with several.
_RANKS = 3
_TRACKS = 4

#: Colours that people with any colour vision can distinguish (Okabe and Ito 2008), on a dark background.
_GROUND = (16, 20, 28, 168)
_WHITE = (255, 255, 255, 255)
_SOFT = (206, 212, 222, 255)
_NOW = (86, 180, 233, 255)
_NEXT = (240, 170, 40, 255)
_ANSWER = (240, 228, 66, 255)
_RIGHT = (0, 200, 140, 255)
_WRONG = (255, 110, 40, 255)
_TRACK = (255, 255, 255, 46)

#: What the usual font has beside ASCII; it has no accents.
_USUAL_LETTERS = frozenset("…‘’“”·")

#: Largest width of panels at the sides and at the bottom, in font sizes: wider ones hide more of the video.
_SIDE, _BELOW = 14, 30

Color = tuple[int, int, int, int]


@dataclass(frozen=True)
class Line:
    """One line of a panel."""

    text: str
    color: Color = _WHITE
    value: float | None = None
    """A probability, shown as a bar and in per cent."""
    rows: int = 1
    """Largest number of rows of wrapped text; longer text is cut with an ellipsis."""


@dataclass(frozen=True)
class Caption:
    """The text of the overlay at one moment."""

    now: tuple[Line, ...] = ()
    """At the top left: the time code and the current action."""
    next: tuple[Line, ...] = ()
    """At the top right: the next action."""
    questions: tuple[Line, ...] = ()
    """At the bottom: questions and answers."""


class Overlay:
    """Draws the predictions of every moment of a video.

    Args:
        predictions: rows of one video, in any order. Rows of kind "frame_labels" show from `time` to `end`; of kind
            "next_action" until the next one is made; of kind "question" for `question_seconds`. Where a row knows the
            truth, its answer is green if it is right, and orange with the right answer beside it if it is wrong.
        question_seconds: seconds that a question and its answer stay on screen.

    Raises:
        UserError: a row has another kind.
    """

    def __init__(self, predictions: Iterable[Prediction], question_seconds: float = QUESTION_SECONDS) -> None:
        rows = sorted(predictions, key=lambda row: row.time)
        for row in rows:
            if row.kind not in DRAWN_KINDS:
                raise UserError(f"Overlay expects predictions of kind {', '.join(DRAWN_KINDS)}, got '{row.kind}'.")
        self._labels, self._next, self._questions = (_Timeline([r for r in rows if r.kind == k]) for k in DRAWN_KINDS)
        self._question_seconds = question_seconds

    @property
    def texts(self) -> set[str]:
        """All words that may be drawn."""
        rows = [*self._labels.rows, *self._next.rows, *self._questions.rows]
        ranked = {label for row in rows for label, _ in row.ranking[:_RANKS]}
        return {text for row in rows for text in (row.answer, row.truth, row.question) if text} | ranked

    def caption(self, time: float) -> Caption:
        """Returns the text at a time in seconds."""
        now = [Line(_time_code(time), _SOFT)]
        for row in self._labels.since(time, time):
            if row.end is None or time < row.end:
                now.append(Line(_readable(row.answer), _NOW, row.probability))
        asked = self._questions.since(time - self._question_seconds, time)
        return Caption(tuple(now), _next_lines(self._next.since(time, time)), _question_lines(asked))

    def draw(self, image: np.ndarray, time: float) -> np.ndarray:
        """Draws the text at a time on a copy of a frame.

        Args:
            image: uint8 (H, W, 3) RGB; it is not changed.
            time: time of the frame, in seconds.

        Returns:
            the copy, uint8 (H, W, 3).
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UserError(f"Overlay expects a uint8 image (H, W, 3), got {image.dtype} {image.shape}.")
        return draw_caption(image, self.caption(time))


class _Timeline:
    """Rows sorted by time."""

    def __init__(self, rows: Sequence[Prediction]) -> None:
        self.rows = rows
        self._times = [row.time for row in rows]

    def since(self, start: float, time: float) -> Sequence[Prediction]:
        """Returns rows after `start` and up to `time`; if both are equal, all rows of the latest moment."""
        end = bisect.bisect_right(self._times, time)
        if start == time:
            return self.rows[bisect.bisect_left(self._times, self._times[end - 1]) : end] if end else ()
        return self.rows[bisect.bisect_right(self._times, start) : end]


def _next_lines(rows: Sequence[Prediction]) -> tuple[Line, ...]:
    """Returns lines with the most probable next actions of one track, or with the most probable one of each track."""
    if not rows:
        return ()
    if len(rows) == 1:
        row = rows[0]
        ranking = row.ranking[:_RANKS] or ((row.answer, row.probability),)
        bars = (Line(_readable(label), _NEXT, probability) for label, probability in ranking)
        return (Line(row.question or "Next", _SOFT, rows=3), *bars, *_verdict(row))
    lines = [Line("Next", _SOFT)]
    for row in rows[:_TRACKS]:
        if row.question:
            lines.append(Line(row.question, _SOFT))
        lines.append(_answer_line(row, _NEXT))
    return tuple(lines)


def _question_lines(rows: Sequence[Prediction]) -> tuple[Line, ...]:
    lines: list[Line] = []
    for row in rows:
        lines.append(Line(row.question or "?", rows=2))
        lines.append(_answer_line(row, _ANSWER))
    return tuple(lines)


def _answer_line(row: Prediction, color: Color) -> Line:
    """An answer in its own colour, or in that of right and wrong ones where the truth is known."""
    text = _readable(row.answer)
    if row.is_wrong:
        return Line(f"{text} (right: {_readable(row.truth or '')})", _WRONG, row.probability)
    return Line(text, color if row.truth is None else _RIGHT, row.probability)


def _verdict(row: Prediction) -> tuple[Line, ...]:
    """A line below a ranking that says whether its first answer is right, where that is known."""
    if row.truth is None:
        return ()
    return (Line(f"right: {_readable(row.truth)}", _WRONG) if row.is_wrong else Line("right", _RIGHT),)


def _readable(label: str) -> str:
    return label.replace("_", " ")


def _time_code(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0.0) * 10 + 1e-6), 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02d}.{rest % 10}"


def draw_caption(image: np.ndarray, caption: Caption) -> np.ndarray:
    """Draws a caption on a copy of a frame, uint8 (H, W, 3).

    Panels that would cover too much of a small frame lose lines: the oldest questions, the least probable actions.
    """
    height, width = image.shape[:2]
    size = _font_size(width, height)
    gap = max(2, size // 3)
    out = image.copy()
    side = min((width - 3 * gap) // 2, _SIDE * size)
    below = min(width - 2 * gap, _BELOW * size)
    questions = _fitting(caption.questions, below, size, round(0.42 * height), newest=True)
    used = questions.shape[0] + gap if questions is not None else 0
    room = height - used - 2 * gap
    for lines, right in ((caption.now, False), (caption.next, True)):
        panel = _fitting(lines, side, size, room, newest=False)
        if panel is not None:
            _lay(out, panel, gap, width - gap - panel.shape[1] if right else gap)
    if questions is not None:
        _lay(out, questions, height - gap - questions.shape[0], gap)
    return out


def _fitting(lines: tuple[Line, ...], width: int, size: int, height: int, newest: bool) -> np.ndarray | None:
    """Draws as many lines as fit; lines are dropped from the start (in pairs, for questions) or from the end."""
    while lines and width > 2 * size:
        panel = _panel(lines, width, size)
        if panel.shape[0] <= height:
            return panel
        lines = lines[2:] if newest else lines[:-1]
    return None


def _font_size(width: int, height: int) -> int:
    """Returns a font size that is readable on a small frame and not too large on a large one."""
    return max(8, round(min(0.028 * height + 6, width / 20)))


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@functools.lru_cache(maxsize=32)
def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _font_of(text: str, size: int) -> Font:
    """Returns the usual font, or one that has the letters of a text where the usual one surely lacks some."""
    if all(letter.isascii() or letter in _USUAL_LETTERS for letter in text):
        return _font(size)
    return _font_file(font_for(text), size)


@functools.lru_cache(maxsize=64)
def _font_file(path: str, size: int) -> Font:
    return ImageFont.truetype(path, size)


def _draw_text(draw: ImageDraw.ImageDraw, left: int, top: int, text: str, font: Font, size: int, color: Color) -> None:
    """Draws a row of text; other fonts stand on the line of the usual one."""
    usual = _font(size)
    if font is usual or not (isinstance(font, ImageFont.FreeTypeFont) and isinstance(usual, ImageFont.FreeTypeFont)):
        draw.text((left, top), text, font=font, fill=color)
    else:
        draw.text((left, top + usual.getmetrics()[0]), text, font=font, fill=color, anchor="ls")


@functools.lru_cache(maxsize=64)
def _panel(lines: tuple[Line, ...], most: int, size: int) -> np.ndarray:
    """Draws lines on a rounded dark background.

    Args:
        lines: from top to bottom.
        most: largest width in pixels; a panel without bars is as wide as its text.
        size: size of the font in pixels.

    Returns:
        RGB and opacity, uint8 (h, w, 4). Read-only.
    """
    lines = tuple(dataclasses.replace(line, text=without_controls(line.text)) for line in lines)
    font, pad, step = _font(size), max(3, size // 2), round(size * 1.4)
    inner = most - 2 * pad
    percent = font.getlength("100%") + pad
    rows: list[tuple[str, Line, bool]] = []
    for line in lines:
        space = inner if line.value is None else inner - percent
        wrapped = wrap(line.text, space, line.rows, size)
        rows += [(text, line, row_index == len(wrapped) - 1) for row_index, text in enumerate(wrapped)]
    fonts = {line: _font_of(line.text, size) for line in lines}
    widest = max(fonts[line].getlength(text) + (percent if line.value is not None else 0) for text, line, _ in rows)
    width = most if any(line.value is not None for line in lines) else round(widest) + 2 * pad
    heights = [step + (size // 2 if last and line.value is not None else 0) for _, line, last in rows]
    image = Image.new("RGBA", (width, sum(heights) + 2 * pad - size // 4))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, image.width - 1, image.height - 1), pad, fill=_GROUND)
    top = pad - size // 5
    for (text, line, last), high in zip(rows, heights):
        _draw_text(draw, pad, top, text, fonts[line], size, line.color)
        if last and line.value is not None:
            _bar(draw, line, (pad, top + step, width - pad), size)
        top += high
    panel = np.asarray(image).copy()
    panel.flags.writeable = False
    return panel


def _bar(draw: ImageDraw.ImageDraw, line: Line, bounds: tuple[int, int, int], size: int) -> None:
    """Draws a probability as a bar below the text, and as percent at its end."""
    assert line.value is not None
    left, top, right = bounds
    value = min(max(line.value, 0.0), 1.0)
    high = max(2, size // 4)
    draw.text((right, top - round(size * 1.4)), f"{value:.0%}", font=_font(size), fill=_WHITE, anchor="ra")
    draw.rectangle((left, top, right, top + high), fill=_blended(_TRACK))
    if value * (right - left) >= 1:
        draw.rectangle((left, top, left + round(value * (right - left)), top + high), fill=line.color)


def _blended(color: Color) -> Color:
    """Blends a transparent colour with the panel's background, because drawing replaces pixels."""
    part = color[3] / 255
    red, green, blue = (round(ground + (over - ground) * part) for ground, over in zip(_GROUND[:3], color[:3]))
    return (red, green, blue, _GROUND[3])


def wrap(text: str, width: float, rows: int, size: int) -> list[str]:
    """Breaks text into rows between words, or within a word that is wider than a row.

    Args:
        text: the text.
        width: width of a row in pixels.
        rows: largest number of rows; longer text is cut with an ellipsis.
        size: size of the font in pixels.

    Returns:
        at least one row and at most `rows`.
    """
    done: list[str] = []
    font = _font_of(text, size)
    rest = " ".join(text.split())
    while rest:
        if len(done) == rows - 1:
            return [*done, _cut(rest, width, font)]
        count = _fits(rest, width, font)
        if count < len(rest):
            space = rest.rfind(" ", 0, count + 1)
            count = space if space > 0 else count
        done.append(rest[:count].rstrip())
        rest = rest[count:].lstrip()
    return done or [""]


def _cut(text: str, width: float, font: Font) -> str:
    if font.getlength(text) <= width:
        return text
    return text[: _fits(text, width - font.getlength("…"), font)].rstrip() + "…"


def _fits(text: str, width: float, font: Font) -> int:
    """Returns the number of letters that fit into a row, at least one."""
    return max(1, bisect.bisect_right(range(1, len(text) + 1), width, key=lambda count: font.getlength(text[:count])))


def _lay(image: np.ndarray, panel: np.ndarray, top: int, left: int) -> None:
    """Draws a panel on a frame in place; it must lie within the frame."""
    area = image[top : top + panel.shape[0], left : left + panel.shape[1]]
    cover = panel[..., 3:].astype(np.uint16)
    mixed: np.ndarray = area * (255 - cover) + panel[..., :3] * cover + 128
    area[:] = (mixed + (mixed >> 8)) >> 8  # divides by 255, rounded


def save_annotated_video(
    source: Path | str,
    out: Path | str,
    predictions: Iterable[Prediction],
    *,
    stream: int | None = None,
    skip_bad: bool = False,
    question_seconds: float = QUESTION_SECONDS,
) -> None:
    """Writes a copy of a video with the predictions drawn on it.

    Frames come at the video's average rate, within `MIN_FPS` and `MAX_FPS`. Only a few frames are in memory at a time.
    The copy keeps the video's clock: where damaged frames are left out, the frame before stays. It keeps the sound, if
    MP4 can hold it; else this is said on the error stream, as are letters that no font of this machine has.

    Args:
        source: the video of the predictions.
        out: .mp4, .m4v, .mov or .mkv; an interrupted run leaves no file.
        predictions: rows of this video.
        stream: index of the video stream in the file; None for the first.
        skip_bad: leave damaged frames out instead of stopping.
        question_seconds: seconds that a question and its answer stay on screen.

    Raises:
        FileNotFoundError: the video does not exist.
        VideoError: the video cannot be read.
        UserError: `out` is the source itself or has another suffix, or a row has an unknown kind.
    """
    refuse_source(source, out)
    overlay = Overlay(predictions, question_seconds)
    report_missing(text for text in overlay.texts if not text.isascii())
    with watched(), VideoReader(source, stream=stream, skip_bad=skip_bad) as reader:
        fps = max(Fraction(MIN_FPS), min(reader.info.fps, Fraction(MAX_FPS)))
        total = round(reader.info.duration_seconds * fps)
        with (
            sound_of(reader.info, Path(out)) as sound,
            VideoWriter(out, fps=fps, sound=sound) as writer,
            progress(total=total, what="Drawing", unit="frame") as bar,
        ):
            written = 0
            held: np.ndarray | None = None
            for frames in reader.sample(fps, chunk=_CHUNK):
                for image, time in zip(frames.images, frames.pts_seconds):
                    due = round(float(time) * fps)
                    held = image if held is None else held
                    for index in range(written, due):  # these frames are damaged and left out
                        writer.write(overlay.draw(held, float(index / fps)))
                    writer.write(overlay.draw(image, float(time)))
                    written, held = due + 1, image
                bar.update(len(frames))
            for index in range(written, total):
                if held is not None:
                    writer.write(overlay.draw(held, float(index / fps)))
