"""Pushed and pulled with the real client against a stand-in of the hub; whatever fails leaves nothing behind."""

import os
import pickle
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import READER, TOKEN, Hub, Repository, hub_server

from vidseq.checkpoint import find_checkpoint, load_model
from vidseq.cli import main
from vidseq.errors import ModelError, UserError
from vidseq.hub.card import Card
from vidseq.hub.pull import pull_model
from vidseq.hub.push import push_model

NAME = "someone/first"

# The client's own call, of a way to upload that its library for HTTP is leaving.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def pushed(hub: Hub, trained: Any) -> Hub:
    push_model(trained.run, NAME)
    return hub


def names() -> list[str]:
    """What is in the current folder, hidden files included."""
    return [path.name for path in Path().iterdir()]


def files_of(hub: Hub) -> dict[str, bytes]:
    return hub.repositories[NAME].files


def test_what_was_pushed_is_pulled(hub: Hub, trained: Any, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--evaluation", str(trained.evaluation), "--licence", "mit", "--private"]
    assert main(["hub", "push", str(trained.run), NAME, *words]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out == f"{hub.address}/{NAME}/commit/{hub.repositories[NAME].newest}\n"
    assert hub.repositories[NAME].private and b"license: mit" in files_of(hub)["README.md"]
    assert set(files_of(hub)) == {
        "README.md",
        "config.json",
        "model.safetensors",
        "frame_labels_segmenter.safetensors",
    }
    assert main(["hub", "pull", NAME]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out == "first: done. Next: vidseq info first\n"
    assert {path.name: path.read_bytes() for path in Path("first").iterdir()} == files_of(hub)
    assert names() == ["first"]
    own, other = load_model(trained.run, "cpu"), load_model("first", "cpu")
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in own.state_dict().items())


def test_each_push_is_one_commit_without_old_files(pushed: Hub, trained: Any) -> None:
    repository = pushed.repositories[NAME]
    repository.files.update({"old_segmenter.safetensors": b"", "notes.txt": b"mine"})
    push_model(trained.run, NAME, Card(licence="mit"))
    assert len(repository.commits) == 3
    assert "notes.txt" in files_of(pushed) and "old_segmenter.safetensors" not in files_of(pushed)


def test_a_revision_is_pulled(pushed: Hub, trained: Any, place: Path) -> None:
    first = pushed.repositories[NAME].newest
    push_model(trained.run, NAME, Card(licence="mit"))
    assert b"license" not in (pull_model(NAME, "old", revision=first) / "README.md").read_bytes()
    assert b"license: mit" in (pull_model(NAME, place / "new") / "README.md").read_bytes()
    with pytest.raises(UserError, match=f"expects a revision of '{NAME}', got one that is not there"):
        pull_model(NAME, "none", revision="v9")


def test_what_is_no_part_of_a_model_is_not_fetched(pushed: Hub, place: Path) -> None:
    files_of(pushed)["modeling.py"] = files_of(pushed)["sub/model.safetensors"] = b"x"
    files_of(pushed)["training.pt"] = pickle.dumps({})
    pull_model(NAME)
    assert not any(re.search("modeling|training|sub/", request) for request in pushed.asked)


def flip(content: bytes) -> bytes:
    return content[:200] + bytes([content[200] ^ 1]) + content[201:]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model.safetensors": lambda old: old[:-9]}, "model.safetensors cannot be used: it is truncated"),
        ({"config.json": lambda old: old[:90]}, "config.json cannot be used: it is no JSON"),
        ({"config.json": lambda old: old.replace(b'"dim": 8', b'"dim": 16')}, "it does not fit config.json"),
        ({"config.json": lambda old: b'{"format": "other"}'}, "it does not say format 'vidseq model'"),
        (
            {"model.safetensors": lambda old: pickle.dumps({})},
            "model.safetensors cannot be used: it is truncated",
        ),
        ({"frame_labels_segmenter.safetensors": lambda old: old[:20]}, "frame_labels_segmenter.safetensors cannot be"),
    ],
)
def test_a_damaged_model_is_one_line_and_leaves_nothing(
    change: Any, said: str, pushed: Hub, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, new in change.items():
        files_of(pushed)[name] = new(files_of(pushed)[name])
    assert main(["hub", "pull", NAME]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"vidseq: '{NAME}' expects a sound model, got another: ") and said in error
    assert error.count("\n") == 1 and "/" not in error.replace(NAME, "")
    assert names() == []


def test_bytes_that_change_on_their_way_are_found(pushed: Hub, place: Path) -> None:
    pushed.flipped = "model.safetensors"
    with pytest.raises(
        ModelError, match=r"expects model\.safetensors with SHA-256 \w{12}…, got another\. Pull it again"
    ):
        pull_model(NAME)
    assert names() == []


@pytest.mark.parametrize("files", [{}, {"pytorch_model.bin": b"x", "config.json": b"{}"}, {"model.safetensors": b"x"}])
def test_another_kind_of_repository_is_one_line(hub: Hub, place: Path, files: dict[str, bytes]) -> None:
    hub.repositories[NAME] = Repository()
    files_of(hub).update(files)
    with pytest.raises(ModelError, match=r"expects the files of a vidseq model, got no (config|model)\..*Pickles"):
        pull_model(NAME)
    assert names() == []
    assert not any("resolve" in request for request in hub.asked)


def test_a_folder_with_something_in_it_is_kept(pushed: Hub, place: Path) -> None:
    Path("first").mkdir()
    pull_model(NAME)  # an empty one may be there
    with pytest.raises(UserError, match="expects a new or empty folder, got 'first', which holds something"):
        pull_model(NAME)


@pytest.mark.parametrize(
    ("token", "broken", "name", "said"),
    [
        (None, None, NAME, "expects a token, got none. Log in with `hf auth login`, or set HF_TOKEN."),
        (READER, None, NAME, f"expects a token that may do this to '{NAME}', got none or another (403)."),
        (TOKEN, None, "first", "expects a repository such as 'someone/lstm', got 'first'."),
        (TOKEN, None, "a/b/c", "expects a repository such as 'someone/lstm', got 'a/b/c'."),
        (TOKEN, "POST .*/commit/", NAME, f"The hub refuses '{NAME}': "),
        (TOKEN, "POST .*/batch", NAME, f"The hub refuses '{NAME}': "),
        (TOKEN, "PUT .*", NAME, f"The hub refuses '{NAME}': "),
    ],
)
def test_a_push_that_fails_is_one_line(
    token: str | None, broken: str | None, name: str, said: str, hub: Hub, trained: Any,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_TOKEN", token) if token else monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    hub.broken = re.compile(broken) if broken else None
    assert main(["hub", "push", str(trained.run), name]) == 2
    error = capsys.readouterr().err
    assert said in error and error.strip().count("\n") == 0
    assert not any(repository.files for repository in hub.repositories.values())
    if not broken:
        assert not hub.repositories


def test_a_licence_that_the_hub_lacks_makes_no_repository(hub: Hub, trained: Any) -> None:
    with pytest.raises(UserError, match=rf"The hub refuses '{NAME}': .*license"):
        push_model(trained.run, NAME, Card(licence="my own"))
    assert not hub.repositories


def test_a_damaged_run_is_not_pushed(hub: Hub, trained: Any, tmp_path: Path) -> None:
    folder = find_checkpoint(trained.run)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ModelError):
        push_model(tmp_path, NAME)
    assert not hub.asked


def test_a_private_or_missing_repository_is_one_line(
    pushed: Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed.repositories[NAME].private = True
    monkeypatch.delenv("HF_TOKEN")
    for name in (NAME, "someone/else"):
        with pytest.raises(UserError, match=f"is there and that you may read, got '{name}'"):
            pull_model(name)
    monkeypatch.setenv("HF_TOKEN", READER)
    pull_model(NAME)
    assert names() == ["first"]


def test_without_a_connection_there_is_one_line(
    hub: Hub, trained: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    for act in (lambda: pull_model(NAME), lambda: push_model(trained.run, NAME)):
        with pytest.raises(UserError, match=f"A hub expects a connection, got none for '{NAME}'"):
            act()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=f"expects a connection, got none for '{NAME}'"):
        pull_model(NAME)
    assert names() == []


def test_loading_a_name_never_goes_online(pushed: Hub, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = len(pushed.asked)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it went online"))
    with pytest.raises(ModelError, match=rf"got nothing at '{NAME}'.*fetch one with `vidseq hub pull`"):
        load_model(NAME)
    assert len(pushed.asked) == asked


@pytest.mark.slow
def test_the_command_asks_the_hub_of_the_environment(trained: Any, tmp_path: Path) -> None:
    with hub_server() as hub:
        names = {"HF_ENDPOINT": hub.address, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path)}
        for words in (["push", trained.run, NAME], ["pull", NAME, "--out", tmp_path / "model"]):
            command = [sys.executable, "-m", "vidseq", "hub", *words]
            done = subprocess.run(command, env={**os.environ, **names}, capture_output=True, text=True, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
        assert load_model(tmp_path / "model", "cpu").config.head == "gru"
