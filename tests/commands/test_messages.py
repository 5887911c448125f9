"""A mistake is one line that names the nearest option, and exit status 2."""

import contextlib
import difflib
import errno
import io
import os
import re
import string
import tempfile
from pathlib import Path

import cyclopts
import pytest
from cyclopts import App
from hypothesis import given
from hypothesis import strategies as st

from vidseq.cli import COMMANDS, main
from vidseq.commands.messages import message
from vidseq.commands.options import Command

#: Cyclopts 5 needs Python 3.11.
NEEDS_CYCLOPTS_5 = pytest.mark.skipif(cyclopts.__version__ < "5", reason="differs in cyclopts 4")
DATA_OUT = ["--data", "d", "--out", "o"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tain"], "Unknown command 'tain'. Did you mean 'train'?"),
        pytest.param(["tain", "--help"], "Unknown command 'tain'. Did you mean 'train'?", marks=NEEDS_CYCLOPTS_5),
        (["data", "chek"], "Unknown command 'chek'. Did you mean 'check'?"),
        (["context", "explian"], "Unknown command 'explian'. Did you mean 'explain'?"),
        (["data", "convert", "--from", "mstc"], "Unknown layout 'mstc'. Did you mean 'mstcn'?"),
        (["data", "convert", "in", "out"], "Unknown layout 'in'. Known layouts: "),
        (["data", "check", "d", "x"], "`vidseq data check` expects no further word, got 'x'."),
        (["train", *DATA_OUT, "--haed", "lstm"], "Unknown option '--haed'. Did you mean '--head'?"),
        (["train", *DATA_OUT, "--haed=lstm"], "Unknown option '--haed'. Did you mean '--head'?"),
        (["train", "d", "o", "--haed", "lstm"], "Unknown option '--haed'. Did you mean '--head'?"),
        (["train", *DATA_OUT, "--batch-sise", "3"], "Unknown option '--batch-sise'. Did you mean '--batch_size'?"),
        (["train", *DATA_OUT, "--conifg", "x"], "Unknown option '--conifg'. Did you mean '--config'?"),
        (["--vresion"], "Unknown option '--vresion'. Did you mean '--version'?"),
        (["context", "--modle", "m"], "Unknown option '--modle'. Did you mean '--model'?"),
        (["context", "--data", "d", "--modle=m"], "Unknown option '--modle'. Did you mean '--model'?"),
        (["compare", *DATA_OUT, "--heads", "gru", "--seed", "3"], "Unknown option '--seed'. Did you mean '--seeds'?"),
        (["train", *DATA_OUT, "--lr", "fast"], "Option --lr expects a number, got 'fast'."),
        (["train", *DATA_OUT, "--epochs", "ten"], "Option --epochs expects a whole number, got 'ten'."),
        (["train", *DATA_OUT, "--epochs", "1.5"], "Option --epochs expects a whole number, got '1.5'."),
        (["train", *DATA_OUT, "--epochs"], "Option --epochs expects a whole number, got nothing."),
        (["train", *DATA_OUT, "--epochs", "--lr", "1"], "Option --epochs expects a whole number, got nothing."),
        (["train", *DATA_OUT, "--resume=maybe"], "Option --resume expects true or false, got 'maybe'."),
        (["evaluate", "d", "m", "--limit", "few"], "Option --limit expects a whole number, got 'few'."),
        (["predict", "s", "m", "--at", "1", "--at", "x"], "Option --at expects a number, got 'x'."),
        (["train", *DATA_OUT, "--head_options", "3"], "expects a mapping such as {layers: 2}, got '3'"),
        (["train", *DATA_OUT, "--head_options", "{a: ["], r"expects a mapping such as {layers: 2}, got '{a: \['"),
        (
            ["compare", *DATA_OUT, "--heads", "gru", "--match", "watts"],
            "Option --match expects one of params, flops, state, got 'watts'.",
        ),
        (["compare", *DATA_OUT, "--heads", "gru", "--match", "stat"], "got 'stat'. Did you mean 'state'?"),
        (
            ["classroom", "--out", "o", "--families", "doing,ordr"],
            r"Unknown family 'ordr'. Did you mean 'order'\? Known families: ",
        ),
        (["train", *DATA_OUT, "--lr", "-1"], "Training expects lr as a rate above 0, got -1.0"),
        (["train", "--out", "o"], "`vidseq train` expects --data, got nothing."),
        (["train", "--data", "d", "o"], "After --data, 'o' needs a name, too. Write --out o."),
        (["train", "--data", "d", "--out", ""], "Option --out expects a path, got nothing."),
        (["evaluate", "d", ""], "Option --model expects a path, got nothing."),
        (["predict", "x.mp4", "--model="], "Option --model expects a path, got nothing."),
        (["data", "check", "nowhere"], "with the file dataset.json, got nowhere, which does not exist"),
        (["help"], r"Unknown command 'help'\. .* `vidseq --help` says what each does\."),
        (["data", "chek"], r"`vidseq data --help` says what each does\."),
        (["info", "nowhere"], r"a file, a folder or a shipped model \(classroom, .*\), got 'nowhere'"),
        (
            ["info", "--config", "nowhere.yaml"],
            "a YAML file, got nowhere.yaml: No such file or directory.",
        ),
        (["info", "--config", "."], "--config expects a YAML file, got .: Is a directory."),
        (["info", "."], r"data set, model or run, got '\.', which is none of them\."),
        (["predict", "x.mp4", "--model", "nowhere"], "expects a video file, folder"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    printed = capsys.readouterr()
    assert re.search(message, printed.err) and printed.err.count("\n") == 1
    assert not printed.out and "Traceback" not in printed.err
    assert not list(tmp_path.iterdir())


def misspelt(name: str, place: int, letter: str, how: str) -> str:
    if how == "left out":
        return name[:place] + name[place + 1 :]
    if how == "swapped":
        return name[:place] + name[place : place + 2][::-1] + name[place + 2 :]
    return name[:place] + letter + name[place + (how == "replaced") :]


@given(
    words=st.sampled_from([words for words, runs in COMMANDS.items() if callable(runs)]),
    data=st.data(),
    how=st.sampled_from(["left out", "swapped", "replaced", "put in"]),
)
def test_a_misspelt_option_names_its_nearest(words: str, data: st.DataObject, how: str) -> None:
    runs = COMMANDS[words]
    assert callable(runs)
    names = [f"--{option.name}" for option in Command(runs).options] + ["--config", "--debug", "--help_all"]
    name = data.draw(st.sampled_from(names))
    place = data.draw(st.integers(3, len(name) - 1))
    wrong = misspelt(name, place, data.draw(st.sampled_from(string.ascii_lowercase)), how)
    dashed = [option.replace("_", "-") for option in [*names, "--print_config", "--help", "--version", "--no_causal"]]
    if wrong.replace("_", "-") in dashed or len(name) < 6:
        return  # another option, or too short to be recognised
    error = error_of([*words.split(), wrong, "3"])
    found = re.match(rf"vidseq: Unknown option '{wrong}'. Did you mean '([\w-]+)'\?", error)
    assert found, error
    assert likeness(wrong, found[1]) >= likeness(wrong, name)


def likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other.replace("_", "-"), one.replace("_", "-")).ratio()


def error_of(words: list[str]) -> str:
    """What a mistake prints; hypothesis cannot share pytest's capture between examples."""
    with contextlib.redirect_stderr(io.StringIO()) as printed:
        assert main(words) == 2
    return printed.getvalue()


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (errno.ENOSPC, "out/x.txt cannot be written: No space left on device. Make room, or name another "
                       "place for it."),
        (errno.EFBIG, "out/x.txt cannot be written: File too large for this disk or account. Name another "
                      "place for it."),
        (errno.EROFS, "out/x.txt cannot be written: Read-only file system. Name another place for it."),
        (errno.EACCES, "out/x.txt: Permission denied. Change its permissions or those of its folder, "
                       "or name another place."),
        (errno.ENOTDIR, "out/x.txt: Not a directory. A part of this path is a file. Name another place."),
        (errno.EEXIST, "out/x.txt cannot be made: File exists. Name another place."),
        (errno.ELOOP, "out/x.txt cannot be made: Too many levels of symbolic links. Name another place."),
        (errno.ENOENT, "No such file or directory: out/x.txt"),
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_written_is_named_with_a_way_out(number: int, line: str) -> None:
    assert message(OSError(number, os.strerror(number), "out/x.txt"), App()) == line


def test_a_full_disk_is_named_though_python_names_no_file() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert message(full, App()).startswith("A file cannot be written: No space left on device. Make room")


def test_a_data_set_in_a_folder_that_cannot_be_written_names_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "val_list.txt").write_text("a.mp4 300 jump\n")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path / "data" / ".writing-abc"))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    words = ["data", "convert", "kinetics", str(tmp_path / "val_list.txt"), str(tmp_path / "data"), "--fps", "30"]
    assert main([*words, "--fps", "30"]) == 2
    line = f"vidseq: {tmp_path / 'data'} cannot be written: Read-only file system. Name another place for it.\n"
    assert capsys.readouterr().err == line


def test_a_file_that_begins_with_a_dash_has_a_way_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-clip.mp4").write_text("no video")
    assert main(["info", "-clip.mp4"]) == 2
    line = "vidseq: '-clip.mp4' begins with a dash, as options do. Write ./-clip.mp4 for the file.\n"
    assert capsys.readouterr().err == line
    assert main(["info", "./-clip.mp4"]) == 2
    assert "not a video" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "is_known"),
    [
        (MemoryError(), True),
        (MemoryError("Unable to allocate 7.28 TiB for an array"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore advice"), True),
        (RuntimeError("shapes differ"), False),
    ],
)
def test_a_lack_of_memory_is_one_line(
    error: Exception, is_known: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no mistake of a user still ends with a traceback."""

    def fail(path: Path | None) -> str:
        raise error

    monkeypatch.setattr("vidseq.commands.describe.describe", fail)
    if not is_known:
        with pytest.raises(RuntimeError, match="shapes differ"):
            main(["info"])
        return
    assert main(["info"]) == 2
    text = capsys.readouterr().err
    assert text.startswith("vidseq: There is not enough memory: ") and text.count("\n") == 1
