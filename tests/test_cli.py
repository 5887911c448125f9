"""The command line: help on one screen, one line and exit status 2 for a mistake, a traceback with --debug alone."""

import dataclasses
import difflib
import re
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.cli import COMMANDS, main, run_script
from vidseq.commands.options import ADVANCED, Command, option_groups
from vidseq.errors import UserError
from vidseq.importers import IMPORTERS
from vidseq.training.config import TrainConfig

RUNNING = [words for words, runs in COMMANDS.items() if callable(runs)]
LAYOUTS = [f"data convert --from {layout}" for layout in IMPORTERS]
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


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def options_of(words: str) -> list[Any]:
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


DATA_OUT = ["--data", "d", "--out", "o"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tain"], "Unknown verb 'tain'. Did you mean 'train'?"),
        (["tain", "--help"], "Unknown verb 'tain'. Did you mean 'train'?"),
        (["data", "chek"], "Unknown verb 'chek'. Did you mean 'check'?"),
        (["context", "explian"], "Unknown verb 'explian'. Did you mean 'explain'?"),
        (["data", "convert", "--from", "mstc"], "Unknown layout 'mstc'. Did you mean 'mstcn'?"),
        (["data", "convert", "in", "out"], "Unknown layout 'in'. Known layouts: "),
        (["data", "check", "d", "x"], "`vidseq data check` expects no further word, got 'x'."),
        (["train", *DATA_OUT, "--haed", "lstm"], "Unknown option '--haed'. Did you mean '--head'?"),
        (["train", *DATA_OUT, "--haed=lstm"], "Unknown option '--haed'. Did you mean '--head'?"),
        (["train", "d", "o", "--haed", "lstm"], "Unknown option '--haed'. Did you mean '--head'?"),
        (["train", *DATA_OUT, "--batch-sise", "3"], "Unknown option '--batch-sise'. Did you mean '--batch_size'?"),
        (["train", *DATA_OUT, "--conifg", "x"], "Unknown option '--conifg'. Did you mean '--config'?"),
        (["--vresion"], "Unknown option '--vresion'. Did you mean '--version'?"),
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
        (["data", "check", "nowhere"], "A data set expects the file dataset.json in nowhere"),
        (["info", "nowhere"], "info expects a file or folder, got nothing at 'nowhere'"),
        (["info", "--config", "nowhere.yaml"], "No such file or directory: nowhere.yaml"),
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


@settings(max_examples=60, deadline=None)
@given(
    words=st.sampled_from(RUNNING),
    data=st.data(),
    how=st.sampled_from(["left out", "swapped", "replaced", "put in"]),
)
def test_a_misspelt_option_names_its_nearest(words: str, data: st.DataObject, how: str) -> None:
    names = [f"--{option.name}" for option in options_of(words)] + ["--config", "--debug", "--help_all"]
    name = data.draw(st.sampled_from(names))
    place = data.draw(st.integers(3, len(name) - 1))
    wrong = misspelt(name, place, data.draw(st.sampled_from(string.ascii_lowercase)), how)
    dashed = [option.replace("_", "-") for option in [*names, "--print_config", "--help", "--version", "--no_causal"]]
    if wrong.replace("_", "-") in dashed or len(name) < 6:
        return  # another option, or too short to be recognised
    error = error_of([*words.split(), *REQUIRED[words], wrong, "3"])
    found = re.match(rf"vidseq: Unknown option '{wrong}'. Did you mean '([\w-]+)'\?", error)
    assert found, error
    assert likeness(wrong, found[1]) >= likeness(wrong, name)


def likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other.replace("_", "-"), one.replace("_", "-")).ratio()


def error_of(words: list[str]) -> str:
    """What a mistake prints; hypothesis cannot share pytest's capture between examples."""
    import contextlib
    import io

    with contextlib.redirect_stderr(io.StringIO()) as printed:
        assert main(words) == 2
    return printed.getvalue()


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


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(path: Path | None) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("vidseq.commands.describe.describe", interrupted)
    assert main(["info"]) == 130
    assert "Run the same command again" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        main(["info", "--debug"])


def settings_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main([*words, "--print_config"]) == 0, capsys.readouterr().err
    printed: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return printed


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["train", "d", "o"], {"data": "d", "out": "o", "resume": False, "causal": True, "head_options": {}}),
        (["train", "d", "o", "--resume"], {"resume": True}),
        (["train", "--resume", "--out", "o", "--data", "d"], {"data": "d", "out": "o", "resume": True}),
        (["train", "d", "o", "--resume=false", "--causal=false"], {"resume": False, "causal": False}),
        (["train", "d", "o", "--resume", "true", "--causal", "false"], {"resume": True, "causal": False}),
        (["train", "d", "o", "--no-causal"], {"causal": False}),
        (["train", "d", "o", "--batch-size", "3", "--max_steps=4"], {"batch_size": 3, "max_steps": 4}),
        (["train", "d", "o", "--epochs", "3", "--epochs", "4"], {"epochs": 4}),
        (["train", "d", "o", "--patience", "null"], {"patience": None}),
        (["train", "d", "o", "--lr", "1e-3"], {"lr": 0.001}),
        (
            ["train", "d", "o", "--head_options", "{layers: 2, kind: [a]}"],
            {"head_options": {"layers": 2, "kind": ["a"]}},
        ),
        (["train", "d", "o", "--head-options.layers", "2"], {"head_options": {"layers": 2}}),
        (
            ["train", "d", "o", "--tasks", '{"answer_words": {"unit": "word"}}'],
            {"tasks": {"answer_words": {"unit": "word"}}},
        ),
        (
            ["compare", "d", "o", "--heads", "a,b", "--options", "{a: {x: 1}}"],
            {"heads": "a,b", "options": {"a": {"x": 1}}},
        ),
        (["data", "init", "s", "--name", "null", "--out=null"], {"name": None, "out": None}),
        (["data", "init", "s", "--name", "none"], {"name": "none"}),
        (["predict", "s", "m", "--context", "null", "--at", "null"], {"context": None, "at": None}),
        (["evaluate", "d", "a", "b"], {"model": ["a", "b"], "controls": None}),
        (["evaluate", "d", "--model", "a", "--model=b"], {"model": ["a", "b"]}),
        (["evaluate", "d", "m", "--controls", "blind", "--controls", "x"], {"controls": ["blind", "x"]}),
        (["evaluate", "d", "m", "--controls", "[blind, x]"], {"controls": ["blind", "x"]}),
        (["predict", "0", "m", "--at", "1", "--at", "2.5"], {"source": "0", "at": [1.0, 2.5]}),
        (["predict", "--model", "m", "clip.mp4"], {"source": "clip.mp4", "model": "m"}),
        (["classroom", "o", "--families", "doing,order"], {"families": ["doing", "order"]}),
        (["classroom", "o", "--families", "[doing, order]"], {"families": ["doing", "order"]}),
        (["features", "d", "--fps", "30000/1001", "--decoder", "pyav"], {"fps": "30000/1001", "decoder": "pyav"}),
        (["data", "init", "s", "--classes", "false", "--name", "n"], {"classes": False, "name": "n"}),
        (["data", "convert", "--from", "mstcn", "s", "o", "--fps", "15"], {"source": "s", "out": "o", "fps": "15"}),
        (["data", "convert", "mstcn", "s", "o", "--fps", "15"], {"source": "s", "out": "o", "fps": "15"}),
        (["data", "convert", "--from", "folder", "s", "o", "--splits", "{train: 1.0}"], {"splits": {"train": 1.0}}),
        (["context", "--data", "d", "--model", "m", "--out", "o"], {"contexts": "1f,1s,2s,...,full"}),
        (["context", "audit", "d", "--out", "o"], {"data": "d", "epochs": 15}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_become_values(words: list[str], values: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    printed = settings_of(words, capsys)
    assert {name: printed[name] for name in values} == values


def test_compare_sets_heads_and_seeds_itself(capsys: pytest.CaptureFixture[str]) -> None:
    printed = settings_of(["compare", "d", "o", "--heads", "gru"], capsys)
    assert not {"head", "head_options", "seed"} & set(printed)


def test_info_describes_this_installation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert "lstm" in printed and "efficientnet_lite0" in printed and "mstcn" in printed


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import vidseq

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vidseq {vidseq.__version__}\n"


@pytest.mark.parametrize("words", RUNNING)
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


@settings(max_examples=60, deadline=None)
@given(trees)
def test_mappings_keep_their_types_in_files_and_on_the_line(tree: dict[str, Any]) -> None:
    import contextlib
    import io
    import tempfile

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
    assert "Unknown verb 'prun'. Did you mean 'prune'?" in capsys.readouterr().err
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


def test_advanced_and_fixed_options() -> None:
    @option_groups({"Model": "head dim"}, advanced="lr", fixed="seed")
    def function(config: TrainConfig, *, words: list[str] | None = None) -> None:
        """Does nothing.

        Args:
            config: a config.
            words: some words.
        """

    options = {option.name: option.title for option in Command(function).options}
    assert (options["head"], options["lr"], options["epochs"], options["words"]) == (
        "Model",
        ADVANCED,
        "Options",
        "Options",
    )
    assert "seed" not in options
