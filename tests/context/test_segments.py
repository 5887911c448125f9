"""Segments by context, against a slow reference that cuts every clip itself."""

import math

import numpy as np
import pandas as pd
import pytest

from vidseq.checkpoint import load_model
from vidseq.cli import main
from vidseq.context import segments as module
from vidseq.context import segments_by_context
from vidseq.evaluation.contexts import parse_contexts
from vidseq.evaluation.frame_labels import METRICS, score_frames
from vidseq.evaluation.labelled_frames import label_frames
from vidseq.evaluation.rows import Run
from vidseq.inference.predictor import Predictor
from vidseq.segmentation import DECODINGS
from vidseq.training import TrainConfig, fit

pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")
RUN = Run(run="a", head="lstm", seed=3, mode="given")


@pytest.fixture(scope="module")
def folder(toy_world, tmp_path_factory):
    config = TrainConfig(head="lstm", dim=16, epochs=2, tasks={"frame_labels": {}, "next_action": {}})
    return fit(*toy_world, config, tmp_path_factory.mktemp("runs") / "lstm")


@pytest.fixture(scope="module")
def predictor(toy_world, folder):
    return Predictor(load_model(folder, "cpu"), toy_world[0].class_labels)


def measured(rows):
    return rows[[*METRICS, "num_frames"]].to_numpy(float)


def test_with_all_of_the_past_it_is_what_evaluate_measures(toy_world, predictor):
    dataset, store = toy_world
    evaluated = label_frames(predictor, predictor.model.dense_task(), dataset, store, "test", RUN).videos
    for video in dataset.split("test"):
        every = float(np.diff(store.read(video.video).pts_seconds).min())
        rows = segments_by_context(
            predictor, dataset, store, "test", video.video, parse_contexts("1f,full"), every, RUN
        )
        assert rows["context"].tolist() == ["1f"] * 3 + ["full"] * 3 and set(rows["decoding"]) == set(DECODINGS)
        full, wanted = rows[rows["context"] == "full"], evaluated[evaluated["video"] == video.video]
        assert full["answer"].tolist() == wanted["answer"].tolist()
        np.testing.assert_allclose(measured(full), measured(wanted), atol=1e-6)


@pytest.mark.parametrize("every", [0.2, 1.0])
def test_short_contexts_against_single_clips(toy_world, predictor, every):
    dataset, store = toy_world
    video = dataset.split("test")[0].video
    stored, task = store.read(video), predictor.model.dense_task()
    rows = segments_by_context(predictor, dataset, store, "test", video, parse_contexts("1f,3f,2s"), every, RUN)
    true = {video: task.targets(dataset, video, stored.pts_seconds, predictor.classes(task.name)).numpy()}
    step = float(np.diff(stored.pts_seconds).mean())
    labelled = {math.floor((number * every + 1e-6) / step) for number in range(1000)}
    for name, frames in (("1f", 1), ("3f", 3), ("2s", round(2 / step))):
        held = []
        for index in range(len(stored.features)):
            last = max(frame for frame in labelled if frame <= index)  # its label holds here
            held.append(predictor.frame_labels(stored.features[max(0, last + 1 - frames) : last + 1])[-1])
        for decoding in DECODINGS:
            labels = predictor.decode_labels(np.stack(held), decoding, causal=True)
            wanted = score_frames({video: labels}, true, dataset, "test", None)
            found = rows[(rows["context"] == name) & (rows["decoding"] == decoding)]
            np.testing.assert_allclose(measured(found), measured(wanted), atol=1e-6)


def test_the_command_writes_them_and_goes_on(toy_world, folder, tmp_path, capsys, monkeypatch):
    options = ["--data", str(toy_world[0].folder), "--model", str(folder), "--out", str(tmp_path / "out")]
    words = ["context", *options, "--contexts", "1f,1s,full", "--controls", "none", "--frame-labels-every", "1"]
    real, calls = module.segments_by_context, []

    def stop_at_the_second(*arguments):
        calls.append(arguments[4])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(module, "segments_by_context", stop_at_the_second)
    assert main(words) != 0
    capsys.readouterr()
    assert main(words) == 0
    videos = [video.video for video in toy_world[0].split("test")]
    assert calls == [*videos[:2], *videos[1:]]
    printed = capsys.readouterr().out
    assert "Segments by context, a label every 1 s" in printed and "ordered segments" in printed
    rows = pd.read_parquet(tmp_path / "out" / "segments.parquet")
    assert len(rows) == len(videos) * 3 * 3 and not (tmp_path / "out" / "segment_parts").exists()
    table = pd.read_csv(tmp_path / "out" / "tables" / "segments.csv")
    assert len(table) == len(rows)
    calls.clear()
    assert main(words) == 0 and not calls  # what is finished is not done again
