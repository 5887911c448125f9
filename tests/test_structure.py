"""The structure of the source stays within its limits, and the command that measures it sees each kind of fault."""

import statistics
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from library_source import LIBRARY
from measure_structure import FINDINGS, largest_share, main, report
from structure.functions import body_lengths
from structure.source import Repository

ROOT = Path(__file__).parents[1]

#: The most findings of each kind. The last two only ever go down.
LIMITS = {
    "upward": 0,
    "cycles": 0,
    "rooms": 0,
    "paths": 25,
    "unreachable": 0,
    "isinstance": 0,
    "literals": 30,
    "words": 0,
}
#: The largest room's share of the library's lines.
LARGEST_SHARE = Fraction(1, 8)
#: Lines of a function's body: the median, 90% of all, and the longest.
MEDIAN_LINES, MOST_HAVE_LINES, MAX_LINES = 8, 40, 60


@pytest.mark.parametrize("kind", FINDINGS)
def test_findings_stay_within_their_limit(kind: str) -> None:
    found = FINDINGS[kind](LIBRARY)
    assert len(found) <= LIMITS[kind], f"`python tools/measure_structure.py --list {kind}`:\n" + "\n".join(found)


def test_no_room_is_too_large() -> None:
    assert largest_share(LIBRARY) <= LARGEST_SHARE, report(LIBRARY)


def test_functions_are_short() -> None:
    lengths = sorted(length for length, _ in body_lengths(LIBRARY))
    assert statistics.median(lengths) <= MEDIAN_LINES
    assert lengths[int(0.9 * len(lengths))] <= MOST_HAVE_LINES
    assert lengths[-1] <= MAX_LINES, body_lengths(LIBRARY)[0]


#: A checkout without any fault.
SOUND = {
    "tools/structure/floors.py": 'LAYERS = [{"vidseq"}, {"video"}, {"tasks"}, {"model"}, {"cli"}]\n',
    "vidseq/__init__.py": "",
    "vidseq/__init__.pyi": "from .video.reader import read as read\n",
    "vidseq/video/__init__.py": "",
    "vidseq/video/__init__.pyi": "from .reader import read as read\n",
    "vidseq/video/reader.py": "from vidseq import __version__\n\n\ndef read() -> None:\n    pass\n",
    "vidseq/tasks/__init__.py": "from vidseq.tasks.count import Count\n",
    "vidseq/tasks/base.py": "class Task:\n    pass\n",
    "vidseq/tasks/count.py": (
        'from vidseq.tasks.base import Task\n\n\nclass Count(Task):\n    name = query_kind = "count"\n'
        "\n    def fits(self, task):\n        return isinstance(task, Count)\n"
    ),
    "vidseq/model.py": "from vidseq.tasks import Count\n",
    "vidseq/cli.py": "def main():\n    from vidseq.model import Count\n\n    return Count\n",
    "recipes/demo.py": "from vidseq import read\n",
    "README.md": "A count of things.\n",
}


def checkout(folder: Path, planted: dict[str, str]) -> Repository:
    """Writes a checkout without faults, and adds text to some of its files."""
    for name, text in SOUND.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, text in planted.items():
        path = folder / name
        path.write_text((path.read_text() if path.exists() else "") + text)
    return Repository(folder)


@pytest.mark.parametrize(
    ("kind", "planted", "found"),
    [
        ("upward", {"vidseq/video/reader.py": "def f():\n    from vidseq.model import Count\n"}, "imports upward"),
        ("upward", {"vidseq/video/reader.py": 'LATER = "vidseq.model:Count"\n'}, "imports upward"),
        ("cycles", {"vidseq/tasks/base.py": "def f():\n    from vidseq.tasks.count import Count\n"}, "tasks.count"),
        ("cycles", {"vidseq/tasks/base.py": "from vidseq.model import x\n"}, "model vidseq.tasks"),
        (
            "cycles",
            {
                "vidseq/video/reader.py": "from .size import a\n",
                "vidseq/video/size.py": "from vidseq.video import read\n",
            },
            "vidseq.video.reader vidseq.video.size",
        ),
        ("rooms", {"vidseq/tasks/base.py": "from vidseq.model import x\n"}, "model tasks"),
        ("paths", {"recipes/demo.py": "def f():\n    from vidseq.video.size import a\n"}, "vidseq.video.size"),
        ("unreachable", {"vidseq/video/old.py": "import vidseq.video.reader\n"}, "vidseq.video.old"),
        ("isinstance", {"vidseq/model.py": "def f(x):\n    return isinstance(x, int | Count)\n"}, "vidseq/model.py:3"),
        ("literals", {"vidseq/model.py": 'KINDS = ["count"]\n'}, "vidseq/model.py:2: 'count'"),
        ("words", {"vidseq/model.py": '"""Tells it."""\n'}, "vidseq/model.py:2: tells"),
        ("words", {"vidseq/model.py": "#: What is told.\n"}, "vidseq/model.py:2: told"),
        ("words", {"vidseq/model.py": "def read_exam():\n    pass\n"}, "vidseq/model.py:2: read_exam (name)"),
        ("words", {"vidseq/model.py": "class OldLesson:\n    pass\n"}, "vidseq/model.py:2: OldLesson (name)"),
        ("words", {"vidseq/model.py": "MOST_LINES = 3\n"}, "vidseq/model.py:2: MOST_LINES (name)"),
        ("words", {"vidseq/model.py": "[number for number, _ in enumerate(A)]\n"}, "vidseq/model.py:2: number (name)"),
        ("words", {"README.md": "You shall not.\n"}, "README.md:2: shall"),
    ],
)
def test_a_planted_fault_is_found(kind: str, planted: dict[str, str], found: str, tmp_path: Path) -> None:
    sound, faulty = FINDINGS[kind](checkout(tmp_path / "sound", {})), FINDINGS[kind](checkout(tmp_path / "f", planted))
    new = [line for line in faulty if line not in sound]
    assert len(new) == 1 and found in new[0]
    assert kind == "paths" or not sound


def test_the_largest_room_counts_lines_not_modules(tmp_path: Path) -> None:
    repository = checkout(tmp_path, {"vidseq/video/reader.py": "\n" * 100})
    assert largest_share(repository) > Fraction(8, 10)
    assert "| video | 2 | 105 |" in report(repository)


def test_lengths_leave_the_docstring_out(tmp_path: Path) -> None:
    source = (
        'def longest():\n    """One.\n\n    Two.\n    """\n    a = 1\n\n    return a\n\n\ndef says():\n    """It."""\n'
    )
    lengths = body_lengths(checkout(tmp_path, {"vidseq/model.py": source}))
    assert lengths[0] == (3, "vidseq.cli.main") and (3, "vidseq.model.longest") in lengths
    assert lengths[-1] == (0, "vidseq.model.says")


def test_the_command_prints_tables_or_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkout(tmp_path, {"vidseq/video/old.py": ""})
    command = [sys.executable, ROOT / "tools" / "measure_structure.py", "--repo", tmp_path]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "| modules that neither the command nor a public name reaches | 1 |" in printed
    assert main(["--repo", str(tmp_path), "--list", "unreachable"]) == 0
    assert capsys.readouterr().out == "vidseq.video.old\n"
    assert main(["--repo", str(tmp_path / "tools")]) == 2
    assert "expects a folder vidseq with Python files, got none" in capsys.readouterr().err
