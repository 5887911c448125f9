"""The site builds without a warning, and what its pages show runs."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_blocks import blocks, commands

from vidseq.cli import COMMANDS, main
from vidseq.heads import HEADS

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
CONSOLE = [command for text in PAGES.values() for command in commands(text, "vidseq")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with the pages that the build writes beside them."""
    folder = tmp_path_factory.mktemp("site") / "docs"
    shutil.copytree(DOCS, folder, ignore=shutil.ignore_patterns("generated", "__pycache__"))
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--builder", "dummy"]
    command = [sys.executable, "-m", "sphinx", *options, folder, folder.parent / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_command_head_and_name_has_its_place(site: Path) -> None:
    pages = {path.name: path.read_text(encoding="utf-8") for path in (site / "generated").glob("*.md")}
    text = "\n".join(pages.values())
    for command in COMMANDS:
        assert f"vidseq {command}" in pages[f"command_{command.split()[0]}.md"]
    assert "--feature_dropout" in pages["command_train.md"] and "--batch_size" in pages["command_features.md"]
    for name in HEADS:
        assert f"\n## {name}\n" in pages["heads.md"]
    assert "| `forget_bias` | `1.0` | Initial bias of the forget gate" in pages["heads.md"]
    assert text.count("build_backbone") == 2, "explained in vidseq.features, linked from vidseq"


@pytest.mark.parametrize("page", [name for name, text in PAGES.items() if blocks(text, "python")])
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "docs"}
    for number, block in enumerate(blocks(PAGES[page], "python")):
        exec(compile(block, f"{page}, Python block {number}", "exec"), names)


@pytest.mark.parametrize("command", CONSOLE, ids=" ".join)
def test_every_command_has_its_options(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*command[1:], "--print_config"]) == 0, capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_there_is_something_to_test() -> None:
    assert len(PAGES) > 3 and len(CONSOLE) > 5


@pytest.fixture(scope="module")
def docstrings() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        yield importlib.import_module("docstrings")


def test_equations_become_literal_blocks(docstrings: ModuleType) -> None:
    lines = [
        "Adds.",
        "",
        "    y = |x| * `a`",
        "      + b_",
        "",
        "Then a|b `c|d` e_.",
        "",
        "Args:",
        "    x: *all* of it.",
    ]
    assert docstrings.to_rst(lines) == [
        *("Adds.", ""),
        *("", "::", "", "        y = |x| * `a`", "          + b_", "    ", ""),
        *(r"Then a\|b `c|d` e\_.", "", "Args:", r"    x: \*all\* of it."),
    ]


def test_fences_become_literal_blocks(docstrings: ModuleType) -> None:
    assert docstrings.to_rst(["So:", "```", "rows *", "```", "End."]) == [
        "So:",
        "",
        "::",
        "",
        "    rows *",
        "",
        "End.",
    ]


@given(st.lists(st.sampled_from(["Words.", "", "    indented", "Args:", "    x: y", "`a*b` * c"]), max_size=12))
def test_no_line_gets_lost(docstrings: ModuleType, lines: list[str]) -> None:
    made = [line.strip().replace("\\", "") for line in docstrings.to_rst(lines)]
    assert [line for line in made if line not in ("", "::")] == [line.strip() for line in lines if line]
