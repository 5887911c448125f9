"""Every command's help is one screen, in groups, without Python types, and fast."""

import re
import subprocess
import sys

import pytest

from vidseq.cli import COMMANDS, main
from vidseq.commands.options import ADVANCED, Command, Option
from vidseq.importers import IMPORTERS

RUNNING = [words for words, runs in COMMANDS.items() if callable(runs)]


LAYOUTS = [f"data convert --from {layout}" for layout in IMPORTERS]


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def options_of(words: str) -> list[Option]:
    runs = COMMANDS[words]
    assert callable(runs)
    return Command(runs).options


@pytest.mark.parametrize("words", [*COMMANDS, *LAYOUTS, "data convert", ""])
def test_help_is_one_screen_without_python_types(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Usage: vidseq {words}".strip())
    lines = printed.splitlines()
    assert len(lines) <= 50 and max(map(len, lines)) <= 100
    for name in ("Optional", "Union", "list[", "dict[", "tuple[", "NoneType", "<class '", "Literal", "None"):
        assert name not in printed or (name == "None" and words in LAYOUTS), name


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ("train", "train DATA OUT"),
        ("data ask", "data ask DATA --out PATH"),
        ("info", "info [PATH]"),
        ("context", "context [COMMAND] --data PATH --model PATH --out PATH"),
        ("data convert --from mstcn", "data convert --from mstcn SOURCE OUT --fps X"),
    ],
)
def test_the_usage_names_what_a_command_needs(words: str, usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: vidseq {usage} [OPTIONS]\n")


@pytest.mark.parametrize("words", RUNNING)
def test_every_option_is_described_and_help_all_shows_it(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--help"]) == 0
    short = capsys.readouterr().out
    assert main([*words.split(), "--help-all"]) == 0
    full = capsys.readouterr().out
    for option in options_of(words):
        assert re.search(rf"^  --(\[no-\])?{option.name}\b.* [A-Z\d.]", full, re.MULTILINE), option.name
        assert (f"{option.name} " in short) == (option.title != ADVANCED) or option.title != ADVANCED
    assert "Show the traceback of an error." in short


def test_help_names_the_commands_in_order_and_all_common_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    shown = [word for word in re.findall(r"^  (\w+) ", printed, re.MULTILINE) if word in COMMANDS]
    assert shown == [words for words in COMMANDS if " " not in words]
    for option in ("--config", "--print_config", "--debug", "--help_all", "--help", "--version"):
        assert f"  {option}" in printed
    assert main([]) == 0
    assert capsys.readouterr().out == printed


def test_fields_of_configs_that_a_group_names_exist() -> None:
    for words in RUNNING:
        runs = COMMANDS[words]
        names = {option.field or option.parameter for option in options_of(words)}
        assert set(getattr(runs, "titles", {})) <= names, words


HEAVY = ("torch", "pandas", "matplotlib", "scipy", "sklearn", "lightning", "decord")


@pytest.mark.parametrize("words", ["", "train", "predict", "data convert --from mstcn"])
def test_help_is_fast(words: str) -> None:
    code = (
        "import sys, time; start = time.process_time(); from vidseq.cli import main; main(sys.argv[1:]);"
        f"print([name for name in {HEAVY} if name in sys.modules], time.process_time() - start)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *words.split(), "--help"], capture_output=True, text=True, check=True
    )
    heavy, seconds = run.stdout.splitlines()[-1].rsplit(" ", 1)
    assert heavy == "[]" and float(seconds) < 2.5  # 0.2 on an idle machine
