"""A file of rows that grows while videos are read, and takes its name when all of them are."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vidseq.claims import lock
from vidseq.data.dataset import refuse_table
from vidseq.errors import UserError
from vidseq.files import atomic_write, parse_json, set_aside
from vidseq.inference.predictions import Prediction, formatter, in_order, later, to_bytes
from vidseq.video.addresses import is_live
from vidseq.video.probing import player_seconds


class RowFileError(UserError):
    """The file of rows cannot be written, for example since the disk is full."""


@dataclass(frozen=True, kw_only=True)
class FinishedVideo:
    """A video whose rows are on disk."""

    source: str
    failure: str | None
    """Why it has no rows, or not all of them; None: it has."""
    num_known: int
    """Its rows with a right answer beside."""
    num_right: int
    """Those of them that are right."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A line of the record: a finished video, its file as it was, and where its rows end."""

    video: FinishedVideo
    stamp: list[int] | None
    num_bytes: int
    num_rows: int


class RowFile:
    """Writes rows as they are known to `<name>.part`, in the form of the file; `finish` gives it its name.

    `<name>.part.json` records the videos that are finished, so that the same command goes on after them.

    Args:
        path: the finished file, .jsonl, .csv or .srt.
        command: all that rows depend on except the videos, as values that JSON can hold.
        several: whether rows are of several videos.
        live: whether the source is live, so that no command can go on.

    Raises:
        UserError: the ending is none of the three, a folder is there, or the file is a table of a data set.
    """

    def __init__(
        self, path: Path, command: Mapping[str, object], *, several: bool = False, live: bool = False
    ) -> None:
        self.path, self.part = path, path.with_name(f"{path.name}.part")
        self._record = path.with_name(f"{path.name}.part.json")
        self._form = formatter(path, several=several)
        self._by_time = path.suffix.lower() == ".srt"
        self._several, self._live = several, live
        self._command = json.dumps(command)
        self._num_rows = self._num_bytes = 0
        self._first_seconds = 0.0
        if path.is_dir():
            raise UserError(f"--out expects a file, got the folder '{path}'. Name a file in it.")
        refuse_table(path, "--out")

    @property
    def num_rows(self) -> int:
        """Rows on disk."""
        return self._num_rows

    def open(self, sources: Sequence[str]) -> list[FinishedVideo]:
        """Starts the file, or goes on with what the same command left.

        Args:
            sources: the videos in their order.

        Returns:
            the first of them that are finished.

        Raises:
            RowFileError: the file cannot be written.
        """
        kept: list[_Entry] = []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._locked_part()
            if (self._live or self._is_of_another_command()) and self._set_aside():
                self._file.close()
                self._file = self._locked_part()
            kept = [] if self._live else self._finished_before(sources)
            if kept:
                self._num_rows, self._num_bytes = kept[-1].num_rows, kept[-1].num_bytes
            self._file.truncate(self._num_bytes)
            self._file.seek(0, os.SEEK_END)
            if not kept:
                self._append(self._form.header)
            lines = [self._command, *(json.dumps(asdict(entry)) for entry in kept)]
            atomic_write(self._record, "".join(f"{line}\n" for line in lines))
        except OSError as error:
            if not kept:
                with contextlib.suppress(OSError):
                    self.part.unlink(missing_ok=True)
            raise RowFileError(
                f"--out expects a file that can be written, got '{self.path}' ({error.strerror}). Name one elsewhere."
            ) from None
        return [entry.video for entry in kept]

    def begin_video(self, source: str) -> None:
        """Takes the clock of the next video, whose first picture players may show late: subtitles follow players."""
        self._first_seconds = 0.0
        if self._by_time and not is_live(source):
            self._first_seconds = player_seconds(source)

    def write(self, rows: Iterable[Prediction]) -> None:
        """Writes rows of one video.

        Raises:
            RowFileError: they cannot be written; those before are whole.
        """
        rows = in_order(later(rows, self._first_seconds)) if self._by_time else list(rows)
        text = "".join(self._form.block(row, self._num_rows + index) for index, row in enumerate(rows, start=1))
        try:
            self._append(text)
        except OSError as error:
            raise self._full(error) from None
        self._num_rows += len(rows)

    def end_video(self, video: FinishedVideo) -> None:
        """Records that a video is finished; a crash after this loses none of its rows.

        Raises:
            RowFileError: the record cannot be written.
        """
        entry = _Entry(video=video, stamp=_stamp(video.source), num_bytes=self._num_bytes, num_rows=self._num_rows)
        try:
            os.fsync(self._file.fileno())
            with self._record.open("a", encoding="utf-8") as record:
                record.write(json.dumps(asdict(entry)) + "\n")
                record.flush()
                os.fsync(record.fileno())
        except OSError as error:
            raise self._full(error) from None

    def finish(self) -> None:
        """Gives the file its name; subtitles of one video are sorted by time first.

        Raises:
            RowFileError: the file cannot be written.
        """
        try:
            self._settle()
            if os.name == "nt":  # it renames no open file; elsewhere the file stays locked until it has its name
                self._file.close()
            if self._by_time and not self._several:
                atomic_write(self.path, _sorted_subtitles(self.part.read_text(encoding="utf-8")))
                self.part.unlink()
            else:
                self.part.replace(self.path)
            self._record.unlink(missing_ok=True)
            self._file.close()
        except OSError as error:
            raise self._full(error) from None

    def keep(self) -> None:
        """Leaves the rows in `part`, for the same command to go on; without rows it is removed."""
        self._settle()
        if not self._num_rows:
            self.part.unlink(missing_ok=True)
            self._record.unlink(missing_ok=True)
        self._file.close()

    def _locked_part(self) -> io.FileIO:
        """Opens the growing file, which no other process may write at the same time."""
        while True:
            file = io.FileIO(os.open(self.part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+")
            if not lock(file.fileno()):
                file.close()
                raise RowFileError(
                    f"--out expects a file that no other process writes, got '{self.path}'. Wait for it, or name "
                    "another."
                )
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), self.part.stat()):
                    return file
            file.close()  # another process finished it meanwhile

    def _append(self, text: str) -> None:
        """Writes a text or nothing of it."""
        data = memoryview(to_bytes(text))
        end = self._num_bytes + len(data)
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError:
            os.truncate(self.part, self._num_bytes)
            raise
        self._num_bytes = end

    def _settle(self) -> None:
        """Cuts what an interrupt left of a row."""
        if not self._file.closed:
            self._file.truncate(self._num_bytes)
            os.fsync(self._file.fileno())

    def _is_of_another_command(self) -> bool:
        """Whether the rows so far were asked for in another way, with other options or another model."""
        try:
            with self._record.open(encoding="utf-8") as record:
                return record.readline().rstrip("\n") != self._command
        except (OSError, ValueError):
            return False

    def _set_aside(self) -> bool:
        """Keeps rows that this command would not make again: of a live source, or of another command."""
        if self.part.stat().st_size <= len(self._form.header):
            return False
        kept = set_aside(self.part)
        print(f"vidseq: rows of a run that was stopped before are kept in '{kept}'.", file=sys.stderr)
        return True

    def _full(self, error: OSError) -> RowFileError:
        kept = f" The rows so far are in '{self.part}'." if self._num_rows else ""
        return RowFileError(
            f"'{self.path}' cannot be written: {error.strerror}.{kept} Make room and run the same command again, or "
            "name a file elsewhere."
        )

    def _finished_before(self, sources: Sequence[str]) -> list[_Entry]:
        """The first videos, as far as the same command finished them and their files are as they were."""
        kept = []
        size = self.part.stat().st_size if self.part.is_file() else -1
        for entry, source in zip(self._read_record(), sources):
            if entry.video.source != source or entry.stamp != _stamp(source) or entry.num_bytes > size:
                break
            kept.append(entry)
        return kept

    def _read_record(self) -> list[_Entry]:
        """The videos that the same command finished; a line that a crash cut ends the list."""
        try:
            command, *lines = self._record.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return []
        entries: list[_Entry] = []
        for line in lines if command == self._command else ():
            try:
                values = parse_json(line)
                entries.append(_Entry(**values | {"video": FinishedVideo(**values["video"])}))
            except (ValueError, TypeError, KeyError):
                break
        return entries


def _stamp(source: str) -> list[int] | None:
    """What changes when a file is replaced: size and time of its last change; None if it is missing."""
    try:
        status = Path(source).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _sorted_subtitles(text: str) -> str:
    blocks = [block.split("\n", 1)[1].rstrip("\n") for block in text.split("\n\n") if block.strip()]
    blocks.sort(key=_start)
    return "\n".join(f"{number}\n{block}\n" for number, block in enumerate(blocks, start=1))


def _start(block: str) -> tuple[int, str]:
    time = block.partition(" ")[0]
    return len(time), time
