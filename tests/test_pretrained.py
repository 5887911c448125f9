"""The models that ship with vidseq."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vidseq.checkpoint import WEIGHTS_FILE, find_checkpoint, load_model, read_projection
from vidseq.classroom import ClassroomConfig, generate
from vidseq.classroom.question_sampler import QuestionSampler
from vidseq.cli import main
from vidseq.data.dataset import Dataset
from vidseq.errors import ModelError
from vidseq.inference import PredictionRequest, predict_sources
from vidseq.pretrained import pretrained_folder, pretrained_models
from vidseq.pretrained.shipped import CARD_FILE, FOLDER

MAX_BYTES = 12 * 2**20


def test_they_are_small() -> None:
    assert pretrained_models() == ("classroom", "classroom_stream")
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= MAX_BYTES


@pytest.mark.parametrize("name", pretrained_models())
def test_a_name_loads_a_model_that_knows_its_features(name: str) -> None:
    model = load_model(name, "cpu")
    assert {"question", "next_action"} <= set(model.tasks)
    assert model.config.fingerprint is not None and model.config.fps == "2"
    projection = read_projection(find_checkpoint(name), model.config)
    assert (projection is not None) == bool(model.config.fingerprint.projection)


def test_the_stream_keeps_a_state_of_one_size() -> None:
    head = load_model("classroom_stream", "cpu").head
    assert head.state_bytes(frames=0) == head.state_bytes(frames=100_000)


@pytest.mark.parametrize("name", pretrained_models())
def test_a_card_tells_data_command_licence_and_accuracy(name: str) -> None:
    card = (FOLDER / name / CARD_FILE).read_text()
    needed = (
        "seed 100",
        "Seeds from 1000000 on",
        "recipes/classroom_pretrained.py",
        "Apache-2.0",
        "hours",
        "| family",
    )
    assert [words for words in needed if words not in card] == []


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert pretrained_folder("clasroom") is None and pretrained_folder("..") is None and pretrained_folder("") is None
    with pytest.raises(ModelError, match=r"one of the shipped classroom, .*'clasroom'\. Did you mean 'classroom'\?"):
        load_model("clasroom")
    assert main(["info", "clasroom"]) == 2
    assert "a shipped model (classroom, classroom_stream), got 'clasroom'" in capsys.readouterr().err
    assert main(["info", "classroom"]) == 0
    assert "window" in capsys.readouterr().out


def test_a_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "classroom").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="got neither in 'classroom'"):
        load_model("classroom")


@pytest.mark.parametrize("name", pretrained_models())
def test_a_shipped_model_sees_colours_in_a_video_that_nobody_has_seen(name: str, tmp_path: Path) -> None:
    config = ClassroomConfig(train_videos=0, val_videos=0, test_videos=1, seconds=30, fps=4, seed=1_000_123)
    dataset = Dataset.load(generate(tmp_path / "data", config))
    path, rows = dataset.video_path("test_00000"), tmp_path / "rows.jsonl"
    sampler, rng = QuestionSampler(config), np.random.default_rng(0)
    drawn = [query for time in np.arange(3.0, 28.0, 1.0) for query in sampler.draw("test_00000", time, 24, rng)]
    asked = [query for query in drawn if query.family == "color_now"]
    request = PredictionRequest(
        questions=tuple(query.question or "" for query in asked), at=tuple(query.time for query in asked)
    )
    predict_sources(str(path), name, request, out=rows, device="cpu")
    given = {(row["question"], row["time"]): row["answer"] for row in map(json.loads, rows.read_text().splitlines())}
    right = [given[query.question, query.time] == query.answer for query in asked]
    assert len(right) > 10 and sum(right) > 0.7 * len(right)


def test_damaged_weights_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "classroom"
    shutil.copytree(FOLDER / "classroom", folder)
    (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"damaged.*truncated"):
        load_model(folder)
