"""Options from YAML files: what is printed is read again, the command line wins, mistakes are one line."""

import contextlib
import io
import string
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vidseq.cli import main

DATA_OUT = ["--data", "d", "--out", "o"]


#: Enough words for every command to have what it requires.
REQUIRED = {
    "classroom": ["--out", "o"],
    "data init": ["--source", "s"],
    "data check": ["--data", "d"],
    "data browse": ["--data", "d"],
    "features": ["--data", "d"],
    "database build": ["--data", "d", "--out", "o"],
    "train": ["--data", "d", "--out", "o"],
    "evaluate": ["--data", "d", "--model", "m"],
    "compare": ["--data", "d", "--out", "o", "--heads", "gru"],
    "context": ["--data", "d", "--model", "m", "--out", "o"],
    "context explain": ["--data", "d", "--model", "m", "--out", "o"],
    "context report": ["--rows", "r", "--out", "o"],
    "context audit": ["--data", "d", "--out", "o"],
    "predict": ["--source", "s", "--model", "m"],
    "info": [],
}


def settings_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main([*words, "--print_config"]) == 0, capsys.readouterr().err
    printed: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return printed


@pytest.mark.parametrize("words", REQUIRED)
def test_printed_options_are_read_again(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = settings_of([*words.split(), *REQUIRED[words]], capsys)
    file = tmp_path / "options.yaml"
    file.write_text(yaml.safe_dump(first))
    assert settings_of([*words.split(), "--config", str(file)], capsys) == first


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


trees = st.dictionaries(
    st.text(string.ascii_letters, min_size=1, max_size=5),
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner)),
    max_size=3,
)


@given(trees)
def test_mappings_keep_their_types_in_files_and_on_the_line(tree: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as printed:
        file = Path(folder, "options.yaml")
        file.write_text(yaml.safe_dump({"head_options": tree}), encoding="utf-8")
        assert main(["train", "d", "o", "--config", str(file), "--print_config"]) == 0
        assert main(["train", "d", "o", f"--head_options={yaml.safe_dump(tree)}", "--print_config"]) == 0
    for part in printed.getvalue().split("data: d\n")[1:]:
        assert yaml.safe_load(part)["head_options"] == tree


def test_the_line_wins_over_files_and_later_files_over_earlier_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text("seconds: 33\nfps: 7\nwidth: 64\n")
    (tmp_path / "b.yaml").write_text("fps: 9\nseconds: 44\n")
    files = [f"--config={tmp_path / name}" for name in ("a.yaml", "b.yaml")]
    printed = settings_of(["classroom", *files, "--out", "o", "--fps", "8"], capsys)
    assert (printed["seconds"], printed["fps"], printed["width"]) == (44.0, 8, 64)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epoch: 3", "Unknown option 'epoch' in options.yaml. Did you mean 'epochs'?"),
        ("training: {epochs: 3}", "Unknown option 'training.epochs' in options.yaml."),
        ("epochs: ten", "Option --epochs in options.yaml expects a whole number, got 'ten'."),
        ("head_options: 3", "Option --head_options in options.yaml expects a mapping such as {layers: 2}, got '3'."),
        ("lr: -1", "Training expects lr as a rate above 0, got -1.0."),
        ("out: ''", "Option --out in options.yaml expects a path, got nothing."),
        ("- epochs", "--config expects a mapping of options in options.yaml, got ['epochs']."),
        ("a: [", "--config expects YAML in options.yaml, got "),
    ],
)
def test_a_mistake_in_a_file_is_one_line(
    content: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("options.yaml").write_text(content)
    words = ["--data", "d"] if content.startswith("out") else DATA_OUT
    assert main(["train", *words, "--config", "options.yaml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"vidseq: {message}") and error.count("\n") == 1


def test_texts_in_a_file_are_as_they_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("name: 010\ngroup: no\nseed: 010\n")
    read = settings_of(["data", "init", "s", "--config", str(file)], capsys)
    assert (read["name"], read["group"], read["seed"]) == ("010", "no", 8)
    file.write_text("question: [yes, 1e3, 2024-01-01]\n")
    read = settings_of(["predict", "s", "m", "--config", str(file)], capsys)
    assert read["question"] == ["yes", "1e3", "2024-01-01"]


def test_an_option_that_stands_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "options.yaml"
    for text in ("lr: 0.1\nepochs: 3\nlr: 0.2\n", "head_options: {layers: 1, layers: 2}\n"):
        file.write_text(text)
        assert main(["train", "d", "o", "--config", str(file)]) == 2
        assert "stands twice" in capsys.readouterr().err
