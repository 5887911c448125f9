"""The decoding that a run answers with: measured on videos that it has not learnt from, kept in its model."""

import csv
import dataclasses

import numpy as np
import pytest

from tests.training.test_rules import make_world
from vidseq.checkpoint import load_model
from vidseq.evaluation.models import evaluate_models
from vidseq.segmentation.segmenter import FRAMES, ORDERED, SEGMENTS, Segmenter
from vidseq.training import TrainConfig, fit
from vidseq.training.decoding_choice import Candidate, mark_chosen, measure, with_chosen

CONFIG = TrainConfig(causal=False, epochs=6, batch_size=4, feature_noise=0.5, feature_drift=1.0, device="cpu")


def candidate(decoding, evidence, score):
    return Candidate("frame_labels", decoding, evidence, score, 3)


def rows_of(run):
    with (run / "decodings.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    world = make_world(tmp_path_factory.mktemp("world") / "data")
    lines = []
    run = fit(*world, CONFIG, tmp_path_factory.mktemp("runs") / "run", report=lines.append)
    return world, run, lines


def test_the_measure_by_hand():
    true = np.array([1, 1, 1, 1, 2, 2, 2, 2])
    # Two of four segments are too many. Of the others, one overlaps by 3/4 and one by 2/5.
    predicted = np.array([1, 1, 1, 2, 2, 2, 3, 2])
    accuracy, edit, f1, f1_at_half = 6 / 8, 1 - 2 / 4, 2 * 2 / (2 * 2 + 2), 2 / (2 + 3 + 1)
    assert measure([predicted], [true], None) == pytest.approx((accuracy + edit + 2 * f1 + f1_at_half) / 5)


def test_the_best_candidate_wins_and_the_simpler_of_equals():
    marked = mark_chosen([candidate(FRAMES, 1, 0.5), candidate(SEGMENTS, 4, 0.7), candidate(ORDERED, 4, 0.7)])
    assert [one.chosen for one in marked] == [False, True, False]


def test_each_decoding_keeps_its_own_best_weight():
    segmenter = Segmenter.fit([np.repeat([0, 1, 2], 9)] * 3, 3)
    tried = mark_chosen(
        [
            candidate(SEGMENTS, 4, 0.5),
            candidate(SEGMENTS, 16, 0.7),
            candidate(ORDERED, 2, 0.9),
            candidate(ORDERED, 8, 0.6),
        ]
    )
    found = with_chosen(segmenter, tried)
    assert (found.default, found.pairs_evidence, found.order_evidence) == (ORDERED, 16, 2)
    frames_alone = with_chosen(segmenter, mark_chosen([candidate(FRAMES, 1, 0.5)]))
    assert dataclasses.replace(frames_alone, default=segmenter.default).to_bytes() == segmenter.to_bytes()
    assert Segmenter.from_bytes(found.to_bytes()).to_bytes() == found.to_bytes()


def test_a_run_answers_as_its_table_says(run):
    (_, run, _), (chosen,) = run, [row for row in rows_of(run[1]) if row["chosen"] == "1"]
    assert float(chosen["score"]) == max(float(row["score"]) for row in rows_of(run))
    segmenter = load_model(run, "cpu").dense_task().segmenter
    assert segmenter.default == chosen["decoding"]
    for name, decoding in (("pairs_evidence", SEGMENTS), ("order_evidence", ORDERED)):
        best = max((row for row in rows_of(run) if row["decoding"] == decoding), key=lambda row: float(row["score"]))
        assert getattr(segmenter, name) == float(best["evidence"])


def test_evaluation_marks_the_answer(run, tmp_path):
    (dataset, _), folder, _ = run
    text = evaluate_models(dataset.folder, [folder], split="train", out=tmp_path)
    marked = [line for line in text.splitlines() if "| yes " in line]
    assert len(marked) == 1
    assert f"| {load_model(folder, 'cpu').dense_task().segmenter.default} " in marked[0]


def test_a_run_without_its_decoding_gets_it_when_it_is_resumed(run, tmp_path):
    world, folder, _ = run
    before, weights = rows_of(folder), (folder / "checkpoints" / "best" / "model.safetensors").read_bytes()
    (folder / "decodings.csv").unlink()
    fit(*world, CONFIG, folder, resume=True)
    assert rows_of(folder) == before
    assert (folder / "checkpoints" / "best" / "model.safetensors").read_bytes() == weights


def test_too_few_videos_leave_the_decoding_to_the_labels(tmp_path):
    world = make_world(tmp_path / "data", videos=2)
    run = fit(*world, dataclasses.replace(CONFIG, epochs=1), tmp_path / "run")
    assert rows_of(run) == []
    assert load_model(run, "cpu").dense_task().segmenter is not None


def test_lines_tell_options_and_overfitting(run):
    _, folder, lines = run
    assert any(line.startswith("head conv") for line in lines)
    assert lines[-1].startswith("frame_labels is right in ")
    assert "nobody knows how much of that is learnt by heart" in lines[-1]
    with (folder / "overfitting.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["task"] == "frame_labels"
    assert 0 <= float(row["train_accuracy"]) <= 1
    assert row["val_accuracy"] == ""
