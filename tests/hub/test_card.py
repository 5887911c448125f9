"""The card of a model says what its run and its evaluation say."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard

from vidseq.checkpoint import find_checkpoint, read_config
from vidseq.cli import main
from vidseq.errors import UserError
from vidseq.evaluation.rows import read_rows
from vidseq.hub.card import Card, model_card, train_options
from vidseq.hub.scores import read_scores


@pytest.fixture(scope="module")
def text(trained: Any) -> str:
    return model_card(trained.run, "first", Card(trained.evaluation, trained.data, "apache-2.0"))


def test_the_header_is_the_hub_s(text: str) -> None:
    data = ModelCard(text).data
    assert (data.library_name, data.license, data.pipeline_tag) == ("vidseq", "apache-2.0", "video-classification")
    assert data.model_name == "first" and "gru" in data.tags


def test_its_scores_are_those_of_the_evaluation(trained: Any, text: str) -> None:
    rows = read_rows(trained.evaluation / "rows.parquet")
    own = rows[rows["control"] == ""].groupby("family")["correct"].mean()
    said = {result.metric_name: result.metric_value for result in ModelCard(text).data.eval_results}
    assert said == {f"accuracy, {family}": round(100 * value, 1) for family, value in own.items()} and len(said) > 1
    for score in read_scores(trained.evaluation, "first"):
        assert re.search(rf"\| {re.escape(score.what)}.*\| {re.escape(score.text)} +\|", text)
    assert "question, majority" in text and "toy, test; percent with 95% intervals" in text


def test_the_command_trains_the_same(trained: Any, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = re.findall(r"`vidseq (train .*)`", text)
    assert main([*shlex.split(command), "--print_config"]) == 0
    meant, was = yaml.safe_load(capsys.readouterr().out), yaml.safe_load((trained.run / "config.yaml").read_text())
    assert {name: meant[name] for name in was["training"]} == was["training"]


def test_the_data_and_the_features_are_named(trained: Any, text: str) -> None:
    fingerprint = read_config(find_checkpoint(trained.run)).fingerprint
    assert fingerprint is not None and fingerprint.name in text and fingerprint.to_json() in text
    assert "* Data: toy (features), 9 videos (train 4, val 2, test 3); source: unknown; licence: unknown" in text


def test_without_an_evaluation_nothing_is_claimed(trained: Any) -> None:
    text = model_card(trained.run, "first")
    assert "## Scores" not in text and ModelCard(text).data.eval_results is None
    assert "* Data: toy (features)\n" in text and "* Licence of the weights: not stated" in text


def test_frame_labels_are_scored_by_their_intervals(tmp_path: Path) -> None:
    line = {"run": "first", "head": "gru", "decoding": "viterbi", "answer": "own", "accuracy": "70.5 [66.1, 74.4]"}
    pd.DataFrame([{**line, "edit": "–", "num_groups": 5}, {**line, "run": "other", "num_groups": 5}]).to_csv(
        tmp_path / "frame_labels_intervals.csv"
    )
    (score,) = read_scores(tmp_path, "first")
    assert (score.what, score.metric, score.value) == ("frame_labels, viterbi", "accuracy", 70.5)
    assert score.text == "70.5 [66.1, 74.4]" and score.num_groups == 5


def test_scores_of_another_run_are_refused(trained: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expects scores of run 'second', got those of first in "):
        read_scores(trained.evaluation, "second")
    with pytest.raises(UserError, match=r"expects an evaluation, got none in .*Make one with `vidseq evaluate --out`"):
        read_scores(tmp_path, "first")


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"head": "lstm", "epochs": None}, ["--head", "lstm"]),
        ({"causal": False, "patience": None}, ["--causal", "false", "--patience", "null"]),
        ({"tasks": {"answer_words": {"unit": "word"}}}, ["--tasks", '{"answer_words": {"unit": "word"}}']),
        ({"start": "a b", "unknown": 3, "logger": "wandb"}, ["--start", "a b"]),
    ],
)
def test_options_with_default_values_are_left_out(training: dict[str, Any], words: list[str]) -> None:
    assert shlex.split(train_options(training)) == words


def test_the_command_prints_it(trained: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hub", "card", str(trained.run), "--licence", "mit"]) == 0
    assert ModelCard(capsys.readouterr().out).data.license == "mit"


def test_without_the_package_there_is_one_line(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    line = r"A hub expects the package huggingface_hub, got none\. Run `pip install 'vidseq\[hub\]'`\."
    with pytest.raises(UserError, match=line):
        model_card(trained.run, "first")
