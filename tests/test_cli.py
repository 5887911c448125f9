"""The command line: one line for every mistake, exit status 2, and no traceback unless asked for."""

from pathlib import Path

import pytest

from vidseq.cli import VERBS, BranchingVerb, LaterVerbs, main, run_script
from vidseq.errors import UserError


def verb_paths() -> list[list[str]]:
    paths: list[list[str]] = []
    for name, verb in VERBS.items():
        inner = verb.verbs if isinstance(verb, BranchingVerb) else verb if isinstance(verb, dict) else {}
        paths += [[name, word] for word in inner]
        paths += [] if isinstance(verb, dict) else [[name]]
    return paths


@pytest.mark.parametrize("path", verb_paths(), ids=" ".join)
def test_every_verb_has_help(path: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*path, "--help"]) == 0
    assert "usage: vidseq " + " ".join(path) in capsys.readouterr().out


def test_every_layout_has_help_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    data = VERBS["data"]
    assert isinstance(data, dict)
    convert = data["convert"]
    assert isinstance(convert, LaterVerbs)
    for layout in convert.load():
        assert main(["data", "convert", "--from", layout, "--help"]) == 0
        assert "--source" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tain"], "Unknown verb 'tain'. Did you mean 'train'?"),
        (["data", "chek"], "Unknown verb 'chek'. Did you mean 'check'?"),
        (["data", "convert", "--from", "mstc"], "Unknown layout 'mstc'. Did you mean 'mstcn'?"),
        (["train", "--data", "d", "--out", "o", "--haed", "lstm"], "Unknown option '--haed'. Did you mean '--head'?"),
        (["train", "--data", "d", "--out", "o", "--lr", "fast"], "Option --lr expects a number, got 'fast'."),
        (["evaluate", "d", "m", "--limit", "few"], "Option --limit expects a whole number, got 'few'."),
        (
            ["train", "--data", "d", "--out", "o", "--head_options", "3"],
            "expects a mapping such as {layers: 2}, got '3'",
        ),
        (
            ["compare", "--data", "d", "--out", "o", "--heads", "gru", "--match", "watts"],
            "Option --match expects one of params, flops, state, got 'watts'.",
        ),
        (
            ["classroom", "--out", "o", "--families", "doing,ordr"],
            r"Unknown family 'ordr'. Did you mean 'order'\? Known families: ",
        ),
        (["train", "--data", "d", "--out", "o", "--lr", "-1"], "Training expects lr as a rate above 0, got -1.0"),
        (["train", "--out", "o"], "required: data"),
        (["train", "--data", "d", "--out", ""], "Option --out expects a path, got nothing."),
        (["evaluate", "d", ""], "Option --model expects a path, got nothing."),
        (["predict", "x.mp4", "--model="], "Option --model expects a path, got nothing."),
        (["data", "check", "nowhere"], "A data set expects the file dataset.json in nowhere"),
        (["info", "nowhere"], "info expects a file or folder, got nothing at 'nowhere'"),
        (["predict", "x.mp4", "--model", "nowhere"], "expects a video file, folder"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import re

    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and error.count("\n") == 1 and "Traceback" not in error
    assert not list(tmp_path.iterdir())


@pytest.fixture
def branching_verb(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`vidseq grow` runs, and so does `vidseq grow prune`; gives what has run."""
    ran: list[str] = []

    def grow(*, height: int = 1) -> None:
        """Grows a tree.

        Args:
            height: in metres.
        """
        ran.append(f"grow {height}")

    def prune(tool: str) -> int:
        """Cuts branches.

        Args:
            tool: what to cut with.
        """
        ran.append(f"prune {tool}")
        return 1

    monkeypatch.setattr("vidseq.cli.VERBS", {"grow": BranchingVerb(grow, {"prune": prune})})
    return ran


def test_a_verb_can_run_and_have_verbs_of_its_own(branching_verb: list[str]) -> None:
    assert main(["grow"]) == 0
    assert main(["grow", "--height", "3"]) == 0
    assert main(["grow", "prune", "saw"]) == 1
    assert branching_verb == ["grow 1", "grow 3", "prune saw"]


def test_a_branching_verb_names_the_nearest_and_tells_of_all(
    branching_verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grow", "prun"]) == 2
    assert "Unknown verb 'prun'. Did you mean 'prune'?" in capsys.readouterr().err
    assert main(["grow", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--height" in told and "`vidseq grow prune`: Cuts branches." in told
    assert main(["--help"]) == 0
    assert "Grows a tree." in capsys.readouterr().out
    assert not branching_verb


def test_a_script_tells_mistakes_like_a_verb(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def recipe(heads: str = "all", epochs: int = 1) -> None:
        if heads != "all":
            raise UserError("Unknown head.")
        print(epochs)

    for words, status, told in (
        (["--epochs", "3"], 0, "3\n"),
        (["--heads", "x"], 2, "vidseq: Unknown head.\n"),
        (["--epochs", "few"], 2, "vidseq: Option --epochs expects a whole number, got 'few'.\n"),
        (["--epoch", "3"], 2, "vidseq: Unknown option '--epoch'. Did you mean '--epochs'?"),
    ):
        monkeypatch.setattr("sys.argv", ["recipe.py", *words])
        with pytest.raises(SystemExit) as end:
            run_script(recipe)
        said = capsys.readouterr()
        assert end.value.code == status and (said.err or said.out).startswith(told)
    monkeypatch.setattr("sys.argv", ["recipe.py", "--heads", "x", "--debug"])
    with pytest.raises(UserError):
        run_script(recipe)


def test_debug_shows_where(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        main(["data", "check", str(tmp_path / "nowhere"), "--debug"])


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(path: Path | None) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("vidseq.commands.describe.describe", interrupted)
    assert main(["info"]) == 130
    assert "Run the same command again" in capsys.readouterr().err


def test_options_come_from_a_file_too_and_the_line_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = tmp_path / "options.yaml"
    options.write_text("seconds: 33\nfps: 7\n")
    words = ["classroom", "--config", str(options), "--out", str(tmp_path / "data"), "--fps", "8", "--print_config"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "seconds: 33" in printed and "fps: 8" in printed


def test_info_describes_this_installation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert "lstm" in printed and "efficientnet_lite0" in printed and "mstcn" in printed
