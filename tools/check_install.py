"""Checks on which machines vidseq can be installed from wheels alone, without building or running anything.

Command:   python tools/check_install.py [--extras retrieval] [--platforms linux,macos] [--pythons 3.14] [--markdown]
Cost:      about 4 minutes a cell while the index answers slowly, mostly waiting; `--jobs` asks for several at once.
Expected:  no cell names a package.

pip resolves the requirements of setup.cfg for each system and Python version, all dependencies included, and downloads
no wheel: it reads their metadata alone. It evaluates environment markers for the Python that runs it, whatever
`--platform` says, so those of the wanted machine take their place, and pip's report must show them.
"""

import configparser
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from vidseq.cli import run_script
from vidseq.errors import UserError, unknown_name

ROOT = Path(__file__).parents[1]
#: The Python versions that `python_requires` allows and that are maintained.
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
#: Runs pip with the environment markers of another machine, the first argument.
PIP = """
import json, sys
from pip._vendor.packaging import markers
own, wanted = markers.default_environment, json.loads(sys.argv[1])
markers.default_environment = lambda: {**own(), **wanted}
from pip._internal.cli.main import main
sys.exit(main(sys.argv[2:]))
"""
#: How often pip is asked about one machine.
MAX_TRIES = 4
#: How pip names a requirement that no wheel of the index satisfies.
MISSING = re.compile(r"No matching distribution found for ([\w.-]+)")


def _glibc(newest: int, machine: str) -> tuple[str, ...]:
    """The tags of wheels that run with a glibc 2.x; pip adds no older ones by itself."""
    return (*(f"manylinux_2_{minor}_{machine}" for minor in range(newest, 4, -1)), f"manylinux2014_{machine}")


@dataclass(frozen=True)
class Platform:
    """A kind of machine: which wheels run on it, and what its environment markers are."""

    title: str
    tags: tuple[str, ...]
    sys_platform: str
    platform_system: str
    platform_machine: str
    os_name: str = "posix"

    def markers(self, python: str) -> dict[str, str]:
        """The environment markers with a Python version such as "3.12"."""
        return {
            "sys_platform": self.sys_platform,
            "platform_system": self.platform_system,
            "platform_machine": self.platform_machine,
            "os_name": self.os_name,
            "python_version": python,
            "python_full_version": f"{python}.0",
            "implementation_version": f"{python}.0",
        }


PLATFORMS: Mapping[str, Platform] = {
    "linux": Platform("Linux x86-64, glibc 2.28", _glibc(28, "x86_64"), "linux", "Linux", "x86_64"),
    "linux_arm": Platform("Linux aarch64, glibc 2.28", _glibc(28, "aarch64"), "linux", "Linux", "aarch64"),
    "macos": Platform("macOS 14, arm64", ("macosx_14_0_arm64",), "darwin", "Darwin", "arm64"),
    "windows": Platform("Windows, x86-64", ("win_amd64",), "win32", "Windows", "AMD64", "nt"),
}


def requirements(extras: Sequence[str], setup: Path = ROOT / "setup.cfg") -> list[str]:
    """Reads what is installed with vidseq.

    Args:
        extras: names of extras whose requirements are added.
        setup: the file that declares them.

    Raises:
        UserError: there is no such extra.
    """
    declared = configparser.ConfigParser()
    declared.read(setup, encoding="utf-8")
    offered = declared["options.extras_require"]
    for extra in extras:
        if extra not in offered:
            raise unknown_name("extra", extra, offered)
    text = "\n".join([declared["options"]["install_requires"], *(offered[extra] for extra in extras)])
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def missing(platform: Platform, python: str, wanted: Sequence[str]) -> list[str]:
    """Names what has no wheel on a machine, and is empty if everything can be installed.

    Args:
        platform: the machine.
        python: its Python version, such as "3.12".
        wanted: requirements, with environment markers.

    Returns:
        names of requirements, or of what they depend on; or one sentence of pip's where no wheel is missing, but
        versions exclude each other.
    """
    found: list[str] = []
    while True:
        rest = [line for line in wanted if canonicalize_name(Requirement(line).name) not in found]
        problem = _resolve(platform, python, rest)
        if problem is None:
            return found
        name = MISSING.search(problem)
        if name is None:
            return [*found, problem]
        found.append(canonicalize_name(name[1]))
        if len([line for line in rest if canonicalize_name(Requirement(line).name) != found[-1]]) == len(rest):
            return found  # a dependency's dependency: which one needs it, pip's own lines say


def _checked(platform: Platform, python: str, wanted: Sequence[str]) -> list[str]:
    """What is missing, also said at once."""
    found = missing(platform, python, wanted)
    print(f"{platform.title}, Python {python}: {', '.join(found) or 'all there'}", file=sys.stderr)
    return found


def _resolve(platform: Platform, python: str, wanted: Sequence[str]) -> str | None:
    """Asks pip until it says the same twice, since a connection that fails looks like a missing wheel."""
    said: list[str] = []
    while len(said) < MAX_TRIES:
        problem = _ask_pip(platform, python, wanted)
        if problem is None or problem in said:
            return problem
        said.append(problem)
    return f"pip says something else each time: {said[-1]}"


def _ask_pip(platform: Platform, python: str, wanted: Sequence[str]) -> str | None:
    """What pip complains of, a line; None: it found everything."""
    markers = platform.markers(python)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-c", PIP, json.dumps(markers), "install", "--dry-run", "--ignore-installed"]
        command += ["--only-binary=:all:", "--use-feature=fast-deps", "--quiet", "--disable-pip-version-check"]
        command += ["--retries", "10", "--timeout", "60"]
        command += ["--python-version", python, "--target", folder, "--report", str(report)]
        command += [word for tag in platform.tags for word in ("--platform", tag)]
        done = subprocess.run([*command, *wanted], capture_output=True, text=True)
        if done.returncode == 0:
            _check_markers(json.loads(report.read_text(encoding="utf-8"))["environment"], markers)
            return None
    lines = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    return next((line for line in lines if MISSING.search(line)), (lines or ["pip failed"])[0])


def _check_markers(used: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    if any(used[name] != value for name, value in wanted.items()):
        raise UserError(f"A check expects pip to use the markers {dict(wanted)}, got {dict(used)}. Use another pip.")


def table(cells: Mapping[tuple[str, str], Sequence[str]], *, markdown: bool) -> str:
    """Writes what is missing, a row a machine and a column a Python version.

    Args:
        cells: what is missing, by title of the platform and Python version.
        markdown: write markdown, not columns of text.
    """
    titles, pythons = dict.fromkeys(title for title, _ in cells), dict.fromkeys(python for _, python in cells)
    rows = [["", *(f"Python {python}" for python in pythons)]]
    rows += [[title, *("no " + ", ".join(gone) if (gone := cells[title, python]) else "yes" for python in pythons)]
             for title in titles]  # fmt: skip
    if markdown:
        rows.insert(1, ["---"] * len(rows[0]))
        return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def check(
    extras: str = "",
    platforms: str = ",".join(PLATFORMS),
    pythons: str = ",".join(PYTHONS),
    markdown: bool = False,
    jobs: int = 4,
) -> int:
    """Checks on which machines vidseq can be installed from wheels alone.

    Args:
        extras: extras to install besides, such as retrieval,lmdb.
        platforms: kinds of machines, such as linux,macos.
        pythons: versions of Python, such as 3.10,3.14.
        markdown: print the table as markdown.
        jobs: how many machines pip resolves for at the same time.
    """
    for name in platforms.split(","):
        if name not in PLATFORMS:
            raise unknown_name("platform", name, PLATFORMS)
    wanted = requirements([extra for extra in extras.split(",") if extra])
    places = [(PLATFORMS[name], python) for name in platforms.split(",") for python in pythons.split(",")]
    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(lambda place: _checked(place[0], place[1], wanted), places))
    cells = {(platform.title, python): gone for (platform, python), gone in zip(places, found, strict=True)}
    print(table(cells, markdown=markdown))
    return 1 if any(found) else 0


if __name__ == "__main__":
    run_script(check)
