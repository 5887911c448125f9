"""Kills commands at random moments, runs them again, and compares what they leave with what an undisturbed run leaves.

Command:   python tools/kill_table.py [--kills 50] [--commands features,train] [--out table.md]
Cost:      for 50 kills of each command about an hour on one CPU core.
Expected:  no column but the last two counts below the number of kills.

Each command works on small generated data. It is forked from this process, which has imported everything, so that
kills hit its work rather than its imports. After SIGKILL at a random moment of the time that an undisturbed run
takes, the same command runs again to its end. Files that differ between two undisturbed runs, as those with times of
day do, are left out of the comparison, and counted.
"""

import fnmatch
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vidseq.cli import main, run_script
from vidseq.errors import unknown_name

#: Seconds that one run may take.
MAX_SECONDS = 300.0
#: The first words of each command; `{in}` is a folder of inputs, and the command works in a folder of its own.
COMMANDS: dict[str, str] = {
    "features": "features world --backbone mobilenet_v3_small --weights random --engine torch --input_size 32 --fps 2 "
    "--device cpu --workers 1",
    "features by 2": "features world --backbone mobilenet_v3_small --weights random --engine torch "
    "--input_size 32 --fps 2 --device cpu --workers 2",
    "train": "train {in}/symbolic run --head lstm --dim 16 --epochs 8 --device cpu --resume",
    "predict": "predict {in}/world/videos {in}/model --data {in}/world --out rows.jsonl --device cpu",
    "context": "context --data {in}/symbolic --model {in}/run --out out --contexts 1f,2s,full --controls blind "
    "--device cpu",
    "compare": "compare {in}/symbolic out --heads lstm,gru --seeds 0 --dim 16 --epochs 2 --contexts 1f,full "
    "--controls majority --workers 1",
    "data convert": "data convert mstcn {in}/mstcn out --fps 5",
}
#: Files that are finished pieces of work: once there, they must stay as they are, not be made again.
FINISHED = {
    "features": "world/features/*/*.npy",
    "features by 2": "world/features/*/*.npy",
    "compare": "out/*/run/*.safetensors",
}
#: Beginnings of names of files that are not compared: what commands print, logs whose names are times, and temporary
#: files of the feature store, which keeps young ones because another process may be writing them.
NOT_COMPARED = ("log", "events.out.tfevents", ".train_", ".val_", ".test_")
#: Columns of tables that differ between any two runs.
TIMES = {"train": "seconds"}
#: Files that grow line by line: what was there must stay at their beginning; each with its name when it is finished.
GROWING = {"predict": ("rows.jsonl.part", "rows.jsonl"), "train": ("run/metrics.csv", "run/metrics.csv")}


@dataclass
class Tally:
    """What became of one command."""

    kills: int = 0
    went_on: int = 0
    """Runs of the same command after a kill that ended well."""
    equal: int = 0
    """Kills after which the files were those of an undisturbed run."""
    pieces: int = 0
    """Pieces of work that were finished when a kill came."""
    lost: int = 0
    """Those of them that were missing or made again at the end."""
    compared: int = 0
    """Files that are compared."""
    differ_by_themselves: list[str] = field(default_factory=list)
    """Files that differ between undisturbed runs."""
    problems: list[str] = field(default_factory=list)

    def row(self, name: str) -> str:
        """A row of the table."""
        cells = [name, self.kills, self.went_on, self.equal, self.compared, len(self.differ_by_themselves)]
        return "| " + " | ".join(map(str, [*cells, self.pieces, self.lost])) + " |"


HEADER = (
    "| command | kills | went on and ended well | same files as undisturbed | files compared | left out | pieces "
    "finished before kills | lost or made again |\n|---|---|---|---|---|---|---|---|"
)


def table(
    *,
    kills: int = 50,
    commands: str = ",".join(COMMANDS),
    out: Path | None = None,
    seed: int = 0,
    verbose: bool = False,
) -> int:
    """Prints a table of what kills cost.

    Args:
        kills: of each command.
        commands: the commands, separated by commas.
        out: Markdown file for the table.
        seed: of the moments.
        verbose: list the files that are left out.
    """
    names = [word.strip() for word in commands.split(",")]
    if strange := [name for name in names if name not in COMMANDS]:
        raise unknown_name("command", strange[0], COMMANDS)
    with tempfile.TemporaryDirectory(prefix="kill-table-") as folder:
        inputs = make_inputs(Path(folder) / "in")
        work = Path(folder) / "work"
        tallies, lines = {}, [HEADER]
        print(HEADER, flush=True)
        for name in names:
            tallies[name] = measure(name, inputs, work, kills, random.Random(f"{seed} {name}"))
            lines.append(tallies[name].row(name))
            print(lines[-1], flush=True)
    problems = [f"{name}: {problem}" for name, tally in tallies.items() for problem in tally.problems]
    print("\n".join(["", *problems]))
    if verbose:
        left_out = (f"{name}: {file}" for name, tally in tallies.items() for file in tally.differ_by_themselves)
        print("\n".join(["", "Left out:", *left_out]))
    if out is not None:
        out.write_text("\n".join(lines) + "\n")
    return 1 if problems else 0


def make_inputs(folder: Path) -> Path:
    """Makes two small classrooms, a model for each, and a data set in another layout."""
    small = "--train_videos 3 --val_videos 1 --test_videos 2 --seconds 30 --questions_per_video 6 --workers 1"
    world = f"{folder}/world"
    steps = [
        f"classroom {world} {small} --width 160 --height 90 --fps 4",
        f"classroom {folder}/symbolic {small} --observations symbolic",
        f"train {folder}/symbolic {folder}/run --head lstm --dim 16 --epochs 1 --device cpu",
    ]
    for step in steps:
        run_to_end(step.split(), folder.parent)
    shutil.copytree(world, folder / "with_features")
    run_to_end(COMMANDS["features"].replace("world", f"{folder}/with_features").split(), folder.parent)
    words = f"train {folder}/with_features {folder}/model --head lstm --dim 16 --epochs 1 --device cpu"
    run_to_end(words.split(), folder.parent)
    _make_mstcn(folder / "mstcn")
    return folder


def _make_mstcn(folder: Path, num_videos: int = 24, frames: int = 2000) -> None:
    generator = np.random.default_rng(0)
    for name in ("features", "groundTruth", "splits"):
        (folder / name).mkdir(parents=True)
    (folder / "mapping.txt").write_text("0 wait\n1 move\n")
    names = [f"video{number:02d}" for number in range(num_videos)]
    for name in names:
        np.save(folder / "features" / f"{name}.npy", generator.normal(size=(64, frames)).astype(np.float32))
        labels = np.repeat(["wait", "move"], frames // 2)
        (folder / "groundTruth" / f"{name}.txt").write_text("\n".join(labels) + "\n")
    for split, part in (("train", names[:16]), ("test", names[16:])):
        (folder / "splits" / f"{split}.split1.bundle").write_text("".join(f"{name}.txt\n" for name in part))


def measure(name: str, inputs: Path, work: Path, kills: int, moments: random.Random) -> Tally:
    """Kills one command again and again, and counts what that costs."""
    words = COMMANDS[name].replace("{in}", str(inputs)).split()
    first, seconds = _undisturbed(words, inputs, work)
    second, _ = _undisturbed(words, inputs, work)
    wanted = {file: data for file, data in first.items() if second.get(file) == data}
    tally = Tally(compared=len(wanted), differ_by_themselves=sorted(set(first) - set(wanted)))
    while tally.kills < kills:
        _prepare(inputs, work)
        if run(words, work, kill_after=moments.uniform(0, seconds)) is not None:
            continue  # it was done before
        tally.kills += 1
        pieces = _finished(name, work)
        status = run(words, work)
        tally.went_on += status == 0
        if status != 0:
            tally.problems.append(f"exit status {status}: {(work / 'log').read_text().strip()[-300:]}")
        found = _files(work)
        differ = sorted(file for file in wanted.keys() | found.keys() if not _is_same(file, wanted, first, found))
        tally.equal += not differ
        if differ:
            tally.problems.append(f"{len(differ)} files differ: {', '.join(differ[:5])}")
        lost = [piece for piece, is_kept in pieces.items() if not is_kept()]
        tally.pieces += len(pieces)
        tally.lost += len(lost)
        tally.problems += [f"lost or made again: {piece}" for piece in lost[:3]]
    shutil.rmtree(work)
    return tally


def _is_same(file: str, wanted: Mapping[str, bytes], first: Mapping[str, bytes], found: Mapping[str, bytes]) -> bool:
    if file in wanted:
        return wanted[file] == found.get(file)
    return file in first


def _undisturbed(words: Sequence[str], inputs: Path, work: Path) -> tuple[dict[str, bytes], float]:
    _prepare(inputs, work)
    began = time.monotonic()
    status = run(words, work)
    if status != 0:
        raise ValueError(f"'{' '.join(words)}' ended with {status}: {(work / 'log').read_text()}")
    return _files(work), time.monotonic() - began


def _prepare(inputs: Path, work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    shutil.copytree(inputs / "world", work / "world")


def _files(work: Path) -> dict[str, bytes]:
    paths = (path for path in work.rglob("*") if path.is_file() and not path.name.startswith(NOT_COMPARED))
    return {str(path.relative_to(work)): path.read_bytes() for path in paths}


def _finished(name: str, work: Path) -> dict[str, Callable[[], bool]]:
    """The pieces that are finished, each with a check whether it still is, and was not made again."""
    pieces: dict[str, Callable[[], bool]] = {}
    for path in work.rglob("*"):
        if name in FINISHED and fnmatch.fnmatch(str(path.relative_to(work)), FINISHED[name]) and path.name[0] != ".":
            pieces[path.name] = _unchanged(path)
    if name in GROWING and (part := work / GROWING[name][0]).exists():
        lines = part.read_bytes().splitlines(keepends=True)
        if name == "predict":
            lines = lines[: _num_recorded(work / "rows.jsonl.part.json")]
        end = work / GROWING[name][1]
        for index, line in enumerate(_without(TIMES.get(name), lines)):
            pieces[f"{part.name}:{index + 1}"] = _has_line(end, index, line, TIMES.get(name))
    return pieces


def _unchanged(path: Path) -> Callable[[], bool]:
    before = path.stat()
    return lambda: (
        path.exists() and (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    )


def _has_line(path: Path, index: int, line: bytes, column: str | None) -> Callable[[], bool]:
    def has_line() -> bool:
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        return _without(column, lines)[index : index + 1] == [line]

    return has_line


def _without(column: str | None, lines: Sequence[bytes]) -> list[bytes]:
    """The lines of a table without one of its columns; a line that a kill has cut is left out."""
    whole = [line for line in lines if line.endswith(b"\n")]
    if column is None or not whole:
        return whole
    position = whole[0].decode().strip().split(",").index(column)
    cells = (line.split(b",") for line in whole)
    return [b",".join(cell for index, cell in enumerate(row) if index != position) for row in cells]


def _num_recorded(record: Path) -> int:
    """Rows of the videos that are recorded as finished."""
    for line in reversed(record.read_text().splitlines()[1:] if record.exists() else []):
        try:
            return int(json.loads(line)["num_rows"])
        except ValueError:
            continue
    return 0


def run_to_end(words: Sequence[str], work: Path) -> None:
    """Runs a command that must succeed."""
    work.mkdir(parents=True, exist_ok=True)
    if (status := run(words, work)) != 0:
        raise ValueError(f"'{' '.join(words)}' ended with {status}: {(work / 'log').read_text()}")


def run(words: Sequence[str], work: Path, kill_after: float = MAX_SECONDS) -> int | None:
    """Runs a command in a folder, in a process that is forked from this one.

    Returns:
        its exit status; None: it was killed.
    """
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _be_command(words, work)
    deadline = time.monotonic() + kill_after
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if kill_after == MAX_SECONDS:
        raise TimeoutError(f"'{' '.join(words)}' takes longer than {MAX_SECONDS:g} s.")
    return None


def _be_command(words: Sequence[str], work: Path) -> None:
    """Runs in the child: becomes the command, and never returns."""
    status = 99
    try:
        os.chdir(work)
        with Path("log").open("ab", buffering=0) as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        status = main(list(words))
    finally:
        sys.stdout.flush()
        os._exit(status)


def import_everything() -> None:
    """Imports what commands import late, so that forks begin with their work."""
    for name in ("comparison.compare", "context.sweep", "data.features", "inference.run", "training.trainer"):
        importlib.import_module(f"vidseq.{name}")
    importlib.import_module("torch").set_num_threads(1)


if __name__ == "__main__":
    import_everything()
    run_script(table)
