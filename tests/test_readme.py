"""What the READMEs say runs: their Python, their commands, the files that they name."""

import re
import shlex
from pathlib import Path

import pytest

from vidseq.cli import main

ROOT = Path(__file__).parents[1]
PLACES = ("README.md", "recipes/README.md", "tools/README.md")
READMES = {place: (ROOT / place).read_text(encoding="utf-8") for place in PLACES}
TEXT = "\n".join(READMES.values())
#: What the fast test changes in the READMEs' Python, to draw and to learn for a second and not for a minute.
SHORTER = {"train_videos=80": "train_videos=8, val_videos=2, test_videos=2", "epochs=12": "epochs=1"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def commands(first: str) -> list[list[str]]:
    """The commands that start with a word, wherever they stand in a console block, comments cut off."""
    lines = "\n".join(blocks("console")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.split()[:1] == [first]]


@pytest.mark.parametrize("command", commands("vidseq"), ids=" ".join)
def test_every_vidseq_command_has_its_options(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*command[1:], "--print_config"]) == 0, capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", commands("python"), ids=" ".join)
def test_every_script_is_there_and_has_its_options(command: list[str]) -> None:
    script = (ROOT / command[1]).read_text(encoding="utf-8")
    for word in command[2:]:
        if word.startswith("--"):
            name = word[2:].split("=")[0].split(".")[0].replace("-", "_")
            assert re.search(rf"\b{name}\b", script), f"{command[1]} knows no {word}"


@pytest.mark.parametrize("command", commands("make"), ids=" ".join)
def test_every_make_target_is_there(command: list[str]) -> None:
    assert re.search(rf"^{command[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("changes", [SHORTER, pytest.param({}, marks=pytest.mark.slow)], ids=["shorter", "whole"])
@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_python_runs(
    number: int, changes: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = blocks("python")[number]
    for long, short in changes.items():
        text = text.replace(long, short)
    monkeypatch.chdir(tmp_path)
    exec(compile(text, f"READMEs, Python block {number}", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"\b(?:vidseq|docs|datasets|recipes|tools|tests)/[\w./]*", TEXT)))
)
def test_every_path_is_there(path: str) -> None:
    assert (ROOT / path.rstrip(".")).exists()


@pytest.mark.parametrize("place", PLACES)
def test_every_link_leads_somewhere(place: str) -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", READMES[place]):
        assert ((ROOT / place).parent / link).exists(), f"{place} links to {link}"


def test_there_is_something_to_test() -> None:
    assert commands("vidseq") and commands("python") and commands("make") and blocks("python")
    assert all(long in "".join(blocks("python")) for long in SHORTER)
