"""Records a live source with the predictions drawn on it, on the source's own clock."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vidseq.data.schema import QUESTION
from vidseq.errors import VideoError
from vidseq.files import set_aside
from vidseq.inference.overlay import DRAWN_KINDS, QUESTION_SECONDS, Caption, Line, Overlay, draw_caption
from vidseq.inference.predictions import Prediction
from vidseq.reporting.fonts import report_missing
from vidseq.video.growing_writer import GrowingVideoWriter
from vidseq.video.live import Gap, LivePicture
from vidseq.video.writer import check_name

#: How dark the last picture becomes while no other comes.
_DIMMED = 3
#: Seconds from the last picture before a gap to the frame that says so.
_AFTER = 0.25


class LiveRecording:
    """Writes each picture with what is known of it to `<stem>.part<suffix>`, as they come; `finish` renames it.

    If the file can no longer be written, this is said once, and nothing more is recorded.

    Args:
        path: the finished file; a part that a run before has left, which nothing can make again, keeps a name.

    Raises:
        UserError: a suffix that cannot hold H.264.
    """

    def __init__(self, path: Path) -> None:
        check_name(path)
        self.path = path
        self.part = path.with_name(f"{path.stem}.part{path.suffix}")
        if self.part.exists():
            kept = set_aside(self.part)
            print(f"vidseq: a recording of a run that was stopped before is kept in '{kept}'.", file=sys.stderr)
        self._writer: GrowingVideoWriter | None = GrowingVideoWriter(self.part)
        self._rows: list[Prediction] = []
        self._last: tuple[np.ndarray, float] | None = None

    def add(self, picture: LivePicture, rows: Sequence[Prediction]) -> None:
        """Writes a picture.

        Args:
            picture: of the source; the gap before it shows the picture before, dimmed.
            rows: the answers about it.
        """
        new = [row for row in rows if row.kind in DRAWN_KINDS]
        report_missing(text for text in Overlay(new).texts if not text.isascii())
        self._rows = _current([*self._rows, *new], picture.pts_seconds)
        if picture.gap is not None and self._last is not None:
            self._write(_during(picture.gap, self._last[0]), min(self._last[1] + _AFTER, picture.gap.end - 0.002))
        self._write(Overlay(self._rows).draw(picture.image, picture.pts_seconds), picture.pts_seconds)
        self._last = picture.image, picture.pts_seconds

    def finish(self) -> None:
        """Ends the file and gives it its name."""
        try:
            if self._writer is not None and self._last is not None:
                self._writer.close()
                self.part.replace(self.path)
        except (VideoError, OSError) as error:
            self._give_up(error)

    def _write(self, image: np.ndarray, seconds: float) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(image, seconds)
        except VideoError as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._writer = None
        print(f"vidseq: the recording ends: {error} What it has is in '{self.part}'.", file=sys.stderr)


def _current(rows: Sequence[Prediction], time: float) -> list[Prediction]:
    """Those rows that may still be drawn at a time or later."""
    kept: list[Prediction] = []
    for kind in DRAWN_KINDS:
        own = [row for row in rows if row.kind == kind]
        if kind == QUESTION:
            kept += [row for row in own if row.time > time - QUESTION_SECONDS]
        else:
            kept += [row for row in own if row.time == own[-1].time]
    return kept


def _during(gap: Gap, image: np.ndarray) -> np.ndarray:
    text = f"no picture for {gap.end - gap.start:.1f} s: {gap.reason}"
    return draw_caption(image // _DIMMED, Caption(questions=(Line(text, rows=2),)))
