"""Scripts that run a command of `vidseq`, and the READMEs' command lines of scripts that take options as it does."""

import shlex
from pathlib import Path

import pytest
from script_runs import run_file

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "compare_heads": "compare",
    "evaluate": "evaluate",
    "evaluate_context": "context",
    "extract_features": "features",
    "predict": "predict",
    "train": "train",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_tool_runs_its_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_file(ROOT / "tools" / f"{name}.py", "--help") == 0
    assert capsys.readouterr().out.startswith(f"Usage: vidseq {COMMANDS[name]} ")
    assert run_file(ROOT / "tools" / f"{name}.py", "--nothing") == 2


def command_lines() -> list[list[str]]:
    """The READMEs' lines that run a script with `run_script`."""
    places = ("README.md", "recipes/README.md", "tools/README.md", "datasets/*/README.md")
    texts = [path.read_text(encoding="utf-8") for place in places for path in sorted(ROOT.glob(place))]
    lines = "\n".join(texts).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines if line.startswith("python ")]
    return [words[1:] for words in found if "run_script(" in (ROOT / words[1]).read_text(encoding="utf-8")]


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_a_command_line_of_a_script_is_understood(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_file(ROOT / words[0], *words[1:], "--print_config") == 0, capsys.readouterr().err
    assert not list(tmp_path.iterdir())
