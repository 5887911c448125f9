"""Whatever happens to one video or to the process, rows that were known are on disk, and the same call goes on."""

import csv
import errno
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from vidseq.inference import row_file
from vidseq.inference.batch import Batch
from vidseq.inference.predictions import Prediction
from vidseq.inference.row_file import RowFile, RowFileError
from vidseq.inference.sources import Source, Sources

Read = Callable[[Source], Iterator[Sequence[Prediction]]]


@pytest.fixture
def found(tmp_path: Path) -> Sources:
    for name in "abcd":
        (tmp_path / f"{name}.mp4").write_text(name)
    return Sources(tuple(Source(str(tmp_path / f"{name}.mp4"), name) for name in "abcd"), several=True)


def rows_of(video: Source) -> list[Prediction]:
    times = [2.0, 1.0]
    return [Prediction(video=video.name, time=time, kind="x", answer="yes\n,no", probability=0.5) for time in times]


def reading(broken: Mapping[str, BaseException] | None = None, seen: list[str] | None = None) -> Read:
    def read(video: Source) -> Iterator[Sequence[Prediction]]:
        if seen is not None:
            seen.append(video.name)
        yield rows_of(video)[:1]
        if broken and video.name in broken:
            raise broken[video.name]
        yield rows_of(video)[1:]

    return read


def run(found: Sources, out: Path, read: Read, command: str = "x") -> dict[str, str]:
    batch = Batch(found, read, print, RowFile(out, {"command": command}, several=found.several))
    batch.run()
    return batch.failed


@pytest.fixture(params=[".jsonl", ".csv", ".srt"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "out" / f"rows{request.param}"


def whole(found: Sources, out: Path) -> bytes:
    """What an undisturbed run writes."""
    path = out.with_name(f"whole{out.suffix}")
    run(found, path, reading())
    return path.read_bytes()


def test_a_batch_goes_on_after_any_error(found: Sources, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = {"b": RuntimeError("two\nlines"), "c": FileNotFoundError(errno.ENOENT, "gone", "c")}
    failed = run(found, out, reading(broken))
    b, c = (video.path for video in found.videos[1:3])
    assert failed == {b: f"{b}: RuntimeError: two lines", c: f"{c}: [Errno 2] gone: 'c'"}
    assert capsys.readouterr().err.splitlines() == [f"vidseq: {reason}" for reason in failed.values()]
    assert out.read_text().count("yes") == 6
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit()])
def test_the_same_call_goes_on_after_what_is_finished(found: Sources, out: Path, stop: BaseException) -> None:
    with pytest.raises(type(stop)) as stopped:
        run(found, out, reading({"c": stop}))
    part = out.with_name(f"{out.name}.part")
    if isinstance(stop, KeyboardInterrupt):
        assert f"2 of 4 videos are finished, and the rows so far are in '{part}'. Run the same" in str(stopped.value)
    assert not out.exists() and part.read_text().count("yes") == 5
    seen: list[str] = []
    assert run(found, out, reading(seen=seen)) == {}
    assert seen == ["c", "d"]
    assert out.read_bytes() == whole(found, out)
    assert not part.exists()


def test_another_call_or_another_file_starts_anew(found: Sources, out: Path) -> None:
    for change, again in ((lambda: None, "cd"), (lambda: Path(found.videos[1].path).write_text("new"), "bcd")):
        with pytest.raises(SystemExit):
            run(found, out, reading({"c": SystemExit()}))
        change()
        seen: list[str] = []
        run(found, out, reading(seen=seen))
        assert "".join(seen) == again and out.read_bytes() == whole(found, out)
    with pytest.raises(SystemExit):
        run(found, out, reading({"c": SystemExit()}))
    seen = []
    run(found, out, reading(seen=seen), command="y")
    assert seen == [*"abcd"] and out.read_bytes() == whole(found, out)


def test_a_kill_at_any_byte_loses_nothing_that_was_finished(found: Sources, tmp_path: Path) -> None:
    out = tmp_path / "out/rows.csv"
    wanted = whole(found, out)
    with pytest.raises(SystemExit):
        run(found, out, reading({"d": SystemExit()}))
    record, part = out.with_name("rows.csv.part.json"), out.with_name("rows.csv.part")
    lines, rows = record.read_bytes(), part.read_bytes()
    ends = [place for place, byte in enumerate(lines) if byte == ord("\n")]  # a line without its end is whole, too
    for cut in sorted({*range(0, len(lines), 97), *ends}):
        record.write_bytes(lines[:cut])
        part.write_bytes(rows + b"a torn row")
        seen: list[str] = []
        run(found, out, reading(seen=seen))
        assert len(seen) == 4 - max(sum(end <= cut for end in ends) - 1, 0) and out.read_bytes() == wanted


def test_a_failure_before_a_stop_is_reported_again(found: Sources, out: Path) -> None:
    with pytest.raises(SystemExit):
        run(found, out, reading({"a": ValueError("bad"), "c": SystemExit()}))
    assert list(run(found, out, reading())) == [found.videos[0].path]


def test_a_full_disk_keeps_whole_rows_and_says_where(
    found: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "rows.csv"
    real = RowFile._append

    def append(self: RowFile, text: str) -> None:
        if text.startswith("c,"):
            self._file.write(b"c,2.0,half a r")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, text)

    monkeypatch.setattr(row_file.RowFile, "_append", append)
    with pytest.raises(RowFileError, match=r"rows\.csv' cannot be written: No space left .* in '.*rows\.csv\.part'"):
        run(found, out, reading())
    with (tmp_path / "rows.csv.part").open(newline="") as file:
        assert [row["video"] for row in csv.DictReader(file)] == [*"aabb"]


def test_a_file_that_cannot_be_written_is_refused_before_any_video(found: Sources, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    seen: list[str] = []
    with pytest.raises(RowFileError, match=r"--out expects a file that can be written, got .*rows.csv' \(.*\)\. Name"):
        run(found, tmp_path / "file" / "rows.csv", reading(seen=seen))
    assert not seen


def test_one_video_alone_raises_and_its_rows_are_kept(found: Sources, tmp_path: Path) -> None:
    single = Sources(found.videos[:1], several=False)
    with pytest.raises(RuntimeError, match="broken"):
        run(single, tmp_path / "rows.jsonl", reading({"a": RuntimeError("broken")}))
    assert json.loads((tmp_path / "rows.jsonl").read_text())["time"] == 2.0
    assert not (tmp_path / "rows.jsonl.part").exists()


def test_a_live_source_keeps_its_rows_when_it_is_stopped(tmp_path: Path) -> None:
    camera, out = Sources((Source("0", "0"),), several=False), tmp_path / "rows.srt"

    def read(video: Source) -> Iterator[Sequence[Prediction]]:
        yield from ([row] for row in rows_of(video))
        raise KeyboardInterrupt

    rows = RowFile(out, {}, live=True)
    with pytest.raises(KeyboardInterrupt, match=r"The 2 rows so far are in '.*rows\.srt'"):
        Batch(camera, read, print, rows).run()
    lines = out.read_text().splitlines()
    assert [line[:8] for line in lines if line[:1].isdecimal()] == ["1", "00:00:01", "2", "00:00:02"]
    (tmp_path / "rows.srt.part").write_text("rows of a run that was killed")
    with pytest.raises(KeyboardInterrupt):
        Batch(camera, read, print, RowFile(out, {}, live=True)).run()
    assert (tmp_path / "rows.srt-1.part").read_text() == "rows of a run that was killed"


def test_rows_of_another_command_are_set_aside(found: Sources, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(found, out, reading({"c": KeyboardInterrupt()}), command="before")
    before = out.with_name(f"{out.name}.part").read_bytes()
    run(found, out, reading(), command="now")
    kept = out.with_name(f"{out.name}-1.part")
    assert f"vidseq: rows of a run that was stopped before are kept in '{kept}'." in capsys.readouterr().err
    assert kept.read_bytes() == before
    assert out.read_bytes() == whole(found, out)


#: Holds a file of rows until it is told to end.
HOLDS = """
import sys
from pathlib import Path
from vidseq.inference.row_file import RowFile

rows = RowFile(Path(sys.argv[1]), {})
rows.open(["a.mp4"])
print("open", flush=True)
sys.stdin.read()
rows.finish()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_two_processes_never_write_one_file(found: Sources, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        with pytest.raises(
            RowFileError, match=r"--out expects a file that no other process writes, got .*rows\.jsonl"
        ):
            run(found, out, reading())
        assert out.with_name("rows.jsonl.part").exists()
        other.communicate("")
    assert out.exists()
    run(found, out, reading())  # the other is done, or was killed: no lock stays behind
    assert out.read_bytes() == whole(found, out)
