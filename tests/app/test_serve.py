"""Starting and ending: one line for what is wrong, nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from app.world import save_small_model, write_world

from vidseq.app.models import load_models
from vidseq.app.serve import address, listen
from vidseq.app.sessions import Sessions
from vidseq.app.settings import AppSettings
from vidseq.app.state import AppState
from vidseq.cli import main
from vidseq.errors import UserError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_small_model(tmp_path / "model")


def mistake(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["app", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_port_that_is_taken_is_one_line(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        error = mistake(["--model", str(model), "--port", str(port)], capsys)
    assert error == f"vidseq: --port expects a free port, got {port}, which is taken. Name another, or 0 for any.\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--port", "70000"], "--port expects 0 to 65535, got 70000."),
        (["--max-upload", "0"], "--max-upload expects more than 0, got 0."),
        (["--limit", "-1"], "--limit expects more than 0, got -1."),
        (["--host", "no.such.name.invalid"], "--host expects an address of this machine, got 'no.such.name.invalid'"),
        (["--data", "nothing"], "nothing"),
    ],
)
def test_wrong_options_are_one_line(
    words: list[str], error: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert error in mistake(["--model", str(model), "--port", "0", *words], capsys)


def test_a_model_without_a_cnn_needs_a_data_set(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "expects a model trained on a CNN's features" in mistake(["--model", str(model), "--port", "0"], capsys)


def test_a_missing_extra_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidseq.commands.app.find_spec", lambda name: None)
    assert "pip install 'vidseq[app]'" in mistake(["--model", "classroom"], capsys)


def test_models_have_names_of_their_own(tmp_path: Path) -> None:
    folders = [save_small_model(tmp_path / part / "best") for part in ("one", "two")]
    names = [model.name for model in load_models([*map(str, folders), str(folders[1])], "cpu")]
    assert names == ["best", "two/best", f"{tmp_path.name}/two/best"]


def test_settings_expect_a_model() -> None:
    with pytest.raises(UserError, match="at least one --model, got none"):
        AppSettings(models=())


def test_the_user_who_was_away_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidseq.app.sessions.MAX_SESSIONS", 2)
    sessions = Sessions(tmp_path, lambda video: None)
    first, second = sessions.new(), sessions.new()
    assert sessions.find(first.id) is first
    third = sessions.new()
    assert sessions.find(second.id) is None and sessions.find(first.id) is first and sessions.find(third.id) is third
    assert sessions.find(None) is None and sessions.find("") is None


def test_the_folder_of_uploads_ends_with_the_app(model: Path, tmp_path: Path) -> None:
    data = write_world(tmp_path / "world")
    with AppState.open(AppSettings(models=(str(model),), data=data, device="cpu")) as state:
        folder = state.sessions.new().folder
        folder.mkdir(parents=True)
        (folder / "video").write_bytes(b"video")
    assert not folder.exists() and not folder.parent.parent.exists()


def test_addresses_can_be_opened() -> None:
    with listen("0.0.0.0", 0) as listener:
        assert address(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}/"
    if socket.has_ipv6:
        try:
            with listen("::1", 0) as listener:
                assert address(listener) == f"http://[::1]:{listener.getsockname()[1]}/"
        except UserError:
            pytest.skip("no IPv6 here")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped(number: int, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "vidseq", "app", "--model", "classroom", "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        with urllib.request.urlopen(line.split()[3], timeout=60) as answer:
            assert b"vidseq" in answer.read()
        assert list(tmp_path.glob("vidseq-app-*"))
        process.send_signal(number)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
    assert not list(tmp_path.glob("vidseq-app-*"))
