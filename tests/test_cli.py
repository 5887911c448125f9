"""The command: what runs, exit statuses, interrupts, tracebacks, and scripts with options."""

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import vidseq
from vidseq.cli import layout_first, main, run_script
from vidseq.errors import UserError
from vidseq.training.config import TrainConfig


def test_debug_shows_where_wherever_it_stands(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    for words in (
        ["data", "check", nowhere, "--debug"],
        ["data", "--debug", "check", nowhere],
        ["--debug", "data", "check", nowhere],
        ["data", "check", "--debug", nowhere],
    ):
        with pytest.raises(FileNotFoundError):
            main(words)


def test_what_comes_next_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with vidseq.VideoWriter(tmp_path / "my videos" / "a.mp4", fps=10) as writer:
        writer.write(np.zeros((3, 32, 32, 3), np.uint8))
    assert main(["data", "init", str(tmp_path / "my videos")]) == 0
    assert capsys.readouterr().out.endswith(f"\nNext: vidseq features --data '{tmp_path / 'my videos'}'\n")
    monkeypatch.setattr("vidseq.evaluation.models.evaluate_models", lambda *_, **__: "a table")
    assert main(["evaluate", "--data", "d", "--model", "m", "--out", "report"]) == 0
    assert "a table\n\nreport: the rows, these tables and figures. Open report/timeline" in capsys.readouterr().out


def test_an_audit_may_leave_probes_out_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["context", "audit", "d", "--out", "o", "--epochs", "-1"]) == 2
    assert capsys.readouterr().err == "vidseq: --epochs expects a whole number from 0, got -1.\n"


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(path: Path | None) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("vidseq.commands.describe.describe", interrupted)
    assert main(["info"]) == 130
    assert "Run the same command again" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        main(["info", "--debug"])


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["train", "--data", "d", "--out", "o"], "again with --resume to go on where it stopped."),
        (["compare", "--data", "d", "--out", "o", "--heads", "gru"], "again to go on where it stopped."),
        (["data", "check", "d"], "Run the same command again.\n"),
    ],
)
def test_a_stop_promises_no_more_than_the_command_does(
    words: list[str], advice: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    for name in ("data.dataset.Dataset.load", "comparison.compare.compare_heads", "data.check.check_dataset"):
        monkeypatch.setattr(f"vidseq.{name}", interrupted)
    assert main(words) == 130
    assert capsys.readouterr().err.endswith(advice if advice.endswith("\n") else f"{advice}\n")


#: Prints lines until it is stopped, and says what it does then.
PRINTS = """
import sys, time
from vidseq import cli
from vidseq.cli import command

def info() -> None:
    "Prints."
    try:
        while True:
            print("a line of output", flush=True)
            time.sleep(0.01)
    finally:
        sys.stderr.write("cleaned up\\n")

cli.COMMANDS = {"data": "Holds commands.", "info": info}
sys.argv = ["vidseq", "info"]
command()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("stop", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_kill_and_hang_up_stop_as_ctrl_c_does(stop: signal.Signals, status: int) -> None:
    script = f"import signal; signal.signal({stop:d}, signal.SIG_DFL)\n{PRINTS}"  # whatever the tests' caller ignores
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(stop)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert errors == "cleaned up\n\nvidseq: interrupted. Run the same command again.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_that_the_caller_ignores_stays_ignored() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{PRINTS}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    assert process.stdout.readline() and process.stdout.readline()
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143


def test_a_closed_pipe_ends_a_command_without_a_word() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == "cleaned up\n"
    process.stderr.close()


def test_info_describes_this_installation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert "lstm" in printed and "efficientnet_lite0" in printed and "mstcn" in printed


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vidseq {vidseq.__version__}\n"


def test_the_package_runs_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "vidseq", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"vidseq {vidseq.__version__}\n"


@pytest.fixture
def growing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
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

    monkeypatch.setattr("vidseq.cli.COMMANDS", {"data": "Holds commands.", "grow": grow, "grow prune": prune})
    return ran


def test_a_command_can_run_and_hold_commands(growing: list[str]) -> None:
    assert main(["grow"]) == 0
    assert main(["grow", "--height", "3"]) == 0
    assert main(["grow", "prune", "saw"]) == 1
    assert growing == ["grow 1", "grow 3", "prune saw"]


def test_a_command_that_holds_commands_names_the_nearest(
    growing: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grow", "prun"]) == 2
    assert "Unknown command 'prun'. Did you mean 'prune'?" in capsys.readouterr().err
    assert main(["grow", "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "--height" in printed and "prune Cuts branches." in printed
    assert main(["--help"]) == 0
    assert "Grows a tree." in capsys.readouterr().out
    assert not growing


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a function as a script; gives the exit status."""

    def run(function: Callable[..., object], *words: str, as_positional: bool = False) -> int:
        monkeypatch.setattr("sys.argv", ["recipes/recipe.py", *words])
        with pytest.raises(SystemExit) as end:
            run_script(function, as_positional=as_positional)
        assert isinstance(end.value.code, int)
        return end.value.code

    return run


def test_a_script_reports_mistakes_like_a_command(
    script: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    def recipe(heads: str = "all", epochs: int = 1) -> None:
        if heads != "all":
            raise UserError("Unknown head.")
        print(epochs)

    for words, status, printed in (
        (["--epochs", "3"], 0, "3\n"),
        (["--heads", "x"], 2, "vidseq: Unknown head.\n"),
        (["--epochs", "few"], 2, "vidseq: Option --epochs expects a whole number, got 'few'.\n"),
        (["--epoch", "3"], 2, "vidseq: Unknown option '--epoch'. Did you mean '--epochs'? `recipe.py --help` lists"),
        (["all"], 2, "vidseq: `recipe.py` expects no further word, got 'all'."),
    ):
        assert script(recipe, *words) == status
        output = capsys.readouterr()
        assert (output.err or output.out).startswith(printed)
    with pytest.raises(UserError):
        script(recipe, "--heads", "x", "--debug")


SETTINGS = TrainConfig(head="gru", epochs=7)


def test_a_script_changes_single_fields_of_a_config_and_keeps_the_others(script: Callable[..., int]) -> None:
    got: list[Any] = []

    def recipe(data: Path, training: TrainConfig = SETTINGS, other: TrainConfig | None = None) -> int:
        got.append((data, training, other))
        return 0

    assert script(recipe, "--data", "d") == 0
    assert script(recipe, "--data", "d", "--training.epochs", "3", "--other.max-steps=2") == 0
    assert got == [
        (Path("d"), SETTINGS, None),
        (Path("d"), dataclasses.replace(SETTINGS, epochs=3), TrainConfig(max_steps=2)),
    ]


def test_a_script_reads_printed_options_again(
    script: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def recipe(training: TrainConfig = SETTINGS, other: TrainConfig | None = None) -> None:
        print(training, other)

    assert script(recipe, "--training.tasks", "{a: {}}", "--print_config") == 0
    printed = capsys.readouterr().out
    assert yaml.safe_load(printed)["training"]["tasks"] == {"a": {}} and "other" not in yaml.safe_load(printed)
    (tmp_path / "options.yaml").write_text(printed)
    assert script(recipe, "--config", str(tmp_path / "options.yaml")) == 0
    assert capsys.readouterr().out == f"{dataclasses.replace(SETTINGS, tasks={'a': {}})} None\n"


def test_parameters_of_a_script_may_stand_without_names(script: Callable[..., int]) -> None:
    got: list[Any] = []

    def recipe(source: Path, out: Path, fps: str = "15") -> None:
        got.append((source, out, fps))

    assert script(recipe, "a", "b", "--fps", "3", as_positional=True) == 0
    assert got == [(Path("a"), Path("b"), "3")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("data convert a.eaf --from elan --out d", "data convert --from elan a.eaf --out d"),
        ("data convert a.eaf --out d --from=elan", "data convert --from elan a.eaf --out d"),
        ("--debug data convert --out d --from elan a.eaf", "--debug data convert --from elan --out d a.eaf"),
        ("data convert --from elan a.eaf", "data convert --from elan a.eaf"),
        ("data convert elan a.eaf d", "data convert elan a.eaf d"),
        ("data convert a.eaf --from", "data convert a.eaf --from"),
        ("data check --from elan", "data check --from elan"),
    ],
)
def test_the_layout_may_stand_anywhere(words: str, expected: str) -> None:
    assert layout_first(words.split()) == expected.split()


def test_a_source_before_its_layout_is_no_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "convert", str(tmp_path / "a.eaf"), "--from", "elan", "--out", str(tmp_path / "d")]) == 2
    assert "The elan layout expects a file or a folder" in capsys.readouterr().err
