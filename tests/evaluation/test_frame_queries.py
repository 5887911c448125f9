"""Frame labels asked as queries, of the newest frame of what is shown."""

from types import SimpleNamespace

import numpy as np
import pytest

from vidseq.data.examples import frame_labels_of
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.controls import choose_controls
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.frame_queries import frame_label_queries
from vidseq.inference.predictor import Predictor


def test_queries_are_frames_with_their_labels(toy_world, toy_model):
    dataset, store = toy_world
    task = toy_model.dense_task()
    queries = frame_label_queries(dataset, store, 1.5, task)
    assert {query.video for query in queries} == set(dataset.videos)
    for video in list(dataset.videos)[:4]:
        times = store.read(video).pts_seconds
        classes = frame_labels_of(dataset.segments_of(video), times, dataset.action_labels)
        own = {query.time: query.answer for query in queries if query.video == video}
        shown = {time: dataset.action_labels[label] for time, label in zip(times, classes) if time % 1.5 < 1e-9 < time}
        assert own == shown and len(own) >= 2
    with pytest.raises(UserError, match=r"expect a time between them above 0 s, got 0"):
        frame_label_queries(dataset, store, 0, task)


def test_frames_without_a_class_are_left_out_and_background_is_one(toy_world, toy_model):
    dataset, store = toy_world
    task = toy_model.dense_task()
    video = next(iter(dataset.videos))
    cut = SimpleNamespace(
        videos=[video], action_labels=("none", *dataset.action_labels), info=SimpleNamespace(background=None),
        segments_of=lambda name: dataset.segments_of(name)[:1],
    )  # fmt: skip
    end = dataset.segments_of(video)[0].end
    assert all(query.time < end for query in frame_label_queries(cut, store, 0.5, task, cut.action_labels))
    cut.info.background = "none"
    later = [
        query.answer for query in frame_label_queries(cut, store, 0.5, task, cut.action_labels) if query.time >= end
    ]
    assert later and set(later) == {"none"}


def test_the_newest_frame_is_labelled_as_offline(toy_world, toy_model):
    dataset, store = toy_world
    predictor = Predictor(toy_model, {"action": dataset.action_labels[::-1]})
    video = next(iter(dataset.videos))
    seen = store.read(video)
    clips = [seen.features[2:9], seen.features[:3], seen.features[4:5]]
    queries = [Query(video=video, time=0.0, kind="frame_labels", answer="x")] * 3
    found = predictor(clips, [seen.pts_seconds[:1]] * 3, queries)
    expected = np.stack([np.log(predictor.frame_labels(clip, video)[-1]) for clip in clips])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_rows_have_a_family_and_no_blind_control(toy_world, toy_model):
    dataset, store = toy_world
    predict = Predictor(toy_model, {"action": dataset.action_labels})
    queries = frame_label_queries(dataset, store, 2.0, toy_model.dense_task())
    rows = evaluate(predict, dataset, store, "test", queries=queries, contexts="1f,1s,full", controls=["all"])
    assert set(rows["family"]) == {"frame_labels"}
    controls = set(rows["control"]) - {""}
    assert {"shuffled", "majority", "time_only", "bag_of_frames"} <= controls
    assert not controls & {"blind", "repeat_last_label", "ngram", "bag_of_labels"}
    with pytest.raises(UserError, match=r"Control blind expects queries that are something without a frame"):
        choose_controls(["blind"], queries, num_groups=9, has_segments=True)


def test_models_without_the_task(toy_model, toy_world):
    del toy_model.tasks["frame_labels"]
    query = Query(video="test00", time=0.0, kind="frame_labels", answer="x")
    with pytest.raises(UserError, match="frame_labels"):
        Predictor(toy_model)([np.zeros((1, 6), np.float32)], [np.zeros(1)], [query])


def test_shared_readings_give_what_each_clip_gives(toy_world, toy_model):
    """Frame labels are asked as any query is, so that lengths share their reading."""
    dataset, store = toy_world
    predictor = Predictor(toy_model, dataset.class_labels)
    queries = frame_label_queries(dataset, store, 2.0, toy_model.dense_task())
    options = {"queries": queries, "contexts": "1f,1s,full"}
    shared = evaluate(predictor, dataset, store, "test", **options)
    alone = evaluate(lambda *asked: predictor(*asked), dataset, store, "test", **options)
    assert shared["prediction"].tolist() == alone["prediction"].tolist()
    np.testing.assert_allclose(shared["score"], alone["score"], atol=1e-5)
