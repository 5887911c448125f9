"""Goes through videos one by one; what is finished is kept, whatever happens to the others."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from vidseq.errors import UserError
from vidseq.files import why_not_written
from vidseq.inference.predictions import Prediction
from vidseq.inference.row_file import FinishedVideo, RowFile
from vidseq.inference.sources import Source, Sources
from vidseq.progress import progress
from vidseq.video.addresses import is_live, without_password
from vidseq.video.live import SourceLostError


class Batch:
    """One run over videos.

    Args:
        found: the videos.
        read: yields rows of a video as they are known.
        show: takes each row, where there is no file.
        rows: the file of rows; None: there is none.
        keep: whether rows of all videos stay in memory, as `kept`.
    """

    def __init__(
        self,
        found: Sources,
        read: Callable[[Source], Iterable[Sequence[Prediction]]],
        show: Callable[[Prediction], None],
        rows: RowFile | None,
        *,
        keep: bool = False,
    ) -> None:
        self._found, self._read, self._show, self._rows = found, read, show, rows
        self._finished: list[FinishedVideo] = []
        self._keep_all = keep
        self.kept: list[Prediction] = []
        """The rows of all videos that were read now."""
        self.num_before = 0
        """Videos that the same command finished before, whose rows are in the file alone."""

    @property
    def failed(self) -> dict[str, str]:
        """Why each video that failed did."""
        return {video.source: video.failure for video in self._finished if video.failure is not None}

    @property
    def num_known(self) -> int:
        """Rows with a right answer beside."""
        return sum(video.num_known for video in self._finished)

    @property
    def num_right(self) -> int:
        """Those of them that are right."""
        return sum(video.num_right for video in self._finished)

    def run(self) -> None:
        """Predicts on all videos.

        Raises:
            RowFileError: the file of rows cannot be written.
            KeyboardInterrupt: says what is kept and where.
            Exception: whatever made the only video fail, if no folder or glob was named; its rows so far are written.
                A live source that was lost counts as failed, too, but raises nothing.
        """
        videos = self._found.videos
        if self._rows is not None:
            self._finished = self._rows.open([video.path for video in videos])
            self.num_before = len(self._finished)
            for reason in self.failed.values():
                print(f"vidseq: {reason}", file=sys.stderr)
        try:
            left = videos[len(self._finished) :]
            for video in progress(left, what="Predicting", unit="video"):
                self._predict(video)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._stop()) from None
        except BaseException:
            self._keep()
            raise
        if self._rows is not None:
            self._rows.finish()

    def _predict(self, video: Source) -> None:
        count = _Count(keep=self._keep_all)
        error = None
        if self._rows is not None:
            self._rows.begin_video(video.path)
        try:
            for rows in _guarded(self._read(video)):
                count.add(rows)
                self._take(rows)
            if self._keep_all:
                self.kept += count.rows
        except _FailedVideoError as failure:
            error = failure.error
        if error is not None and not (self._found.several or isinstance(error, SourceLostError)):
            if self._rows is not None and self._rows.num_rows:
                self._rows.finish()
            raise error
        shown = without_password(video.path)
        reason = None if error is None else _reason(shown, error)
        if reason is not None:
            print(f"vidseq: {reason}", file=sys.stderr)
        self._end(FinishedVideo(source=shown, failure=reason, num_known=count.known, num_right=count.right))

    def _take(self, rows: Sequence[Prediction]) -> None:
        if self._rows is not None:
            self._rows.write(rows)
            return
        for row in rows:
            self._show(row)

    def _end(self, video: FinishedVideo) -> None:
        self._finished.append(video)
        if self._rows is not None:
            self._rows.end_video(video)

    def _keep(self) -> None:
        """Leaves the rows so far for the same command to go on with."""
        if self._rows is not None:
            self._rows.keep()

    def _stop(self) -> str:
        """Keeps what is finished, and says where it is."""
        done = f"{len(self._finished)} of {len(self._found.videos)} videos are finished"
        if self._rows is None:
            return f"interrupted. {done}."
        if not self._rows.num_rows:
            self._rows.keep()
            return f"interrupted. {done}, and no rows are known."
        if any(is_live(video.path) for video in self._found.videos):
            self._rows.finish()
            return f"interrupted. The {self._rows.num_rows} rows so far are in '{self._rows.path}'."
        self._rows.keep()
        return (
            f"interrupted. {done}, and the rows so far are in '{self._rows.part}'. "
            "Run the same command again to go on where it stopped."
        )


class _FailedVideoError(Exception):
    """Carries what made one video fail past the errors of writing, which end the run."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _guarded(parts: Iterable[Sequence[Prediction]]) -> Iterator[Sequence[Prediction]]:
    try:
        yield from parts
    except Exception as error:
        raise _FailedVideoError(error) from error


class _Count:
    """Counts the rows of a video, and keeps them if they are to be shown."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self.rows: list[Prediction] = []
        self.known = self.right = 0

    def add(self, rows: Sequence[Prediction]) -> None:
        known = [row for row in rows if row.truth is not None]
        self.known += len(known)
        self.right += sum(not row.is_wrong for row in known)
        if self._keep:
            self.rows += rows


def _reason(path: str, error: Exception) -> str:
    """Why a video failed, in one line that names it."""
    text = str(error) if isinstance(error, UserError | OSError) else f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        text = why_not_written(error) or text
    line, name = " ".join(text.split()), " ".join(path.split())
    return line if name in line else f"{name}: {line}"
