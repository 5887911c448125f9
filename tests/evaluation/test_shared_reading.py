"""Sharing work between contexts changes no answer: every head, every length, every control."""

import numpy as np
import pandas as pd
import pytest
import torch

from vidseq.data.query_set import QuerySet
from vidseq.evaluation.contexts import parse_contexts
from vidseq.evaluation.evaluator import ask_model
from vidseq.evaluation.requests import context_requests
from vidseq.evaluation.rows import UNNAMED_RUN, concatenate
from vidseq.evaluation.shared_reading import _clips
from vidseq.heads import HEADS
from vidseq.inference.predictor import Predictor
from vidseq.model import ModelConfig, VideoReasoner

CONTEXTS = "1f,0.6s,1s,2s,3s,4s,full/2,full"
CONTROLS = ["blind", "last_frame", "shuffled", "swapped_past:2s", "best_frame"]
#: A reach shorter than the toy world's videos, so that some contexts exceed it and some do not.
SHORT = {
    "window": {"window": 3, "layers": 2},
    "conv": {"layers": 2, "kernel_size": 3},
    "dilated": {"layers": 2, "window": 2},
    "transformer_xl": {"memory": 4},
    "compressive": {"block": 4, "memory": 4, "compressed": 4, "rate": 2},
    "linformer": {"block": 4, "rows": 2, "rank": 6, "places": 16},
}
NOISE = ["score", "answer_score"]


def predictor_of(head, toy_config):
    torch.manual_seed(3)
    config = {**vars(toy_config), "head": head, "head_options": SHORT.get(head, {}), "vocabulary": ("colour", "what")}
    return Predictor(VideoReasoner(ModelConfig(**config)))


@pytest.fixture(scope="module")
def query_set(toy_world):
    dataset, store = toy_world
    queries = [*dataset.queries, *dataset.next_action_queries(0.5)]
    videos = {video.video for video in dataset.split("test")[:2]}
    return QuerySet(dataset, store, "test", [query for query in queries if query.video in videos and query.time > 2])


QUICK = {"conv_encoder", "lstm", "transformer_xl", "window"}


@pytest.mark.parametrize(
    "head", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in sorted(HEADS)]
)
def test_shared_rows_are_those_of_single_clips(head, query_set, toy_config):
    predictor = predictor_of(head, toy_config)
    contexts = parse_contexts(CONTEXTS, query_set.longest_seconds)
    shared, single = (
        concatenate(ask_model(predictor, query_set, contexts, CONTROLS, UNNAMED_RUN, batch_size, share=share))
        for share, batch_size in ((True, 64), (False, 1))
    )
    pd.testing.assert_frame_equal(shared.drop(columns=NOISE), single.drop(columns=NOISE))
    np.testing.assert_allclose(shared[NOISE], single[NOISE], atol=2e-5)
    assert shared.groupby("context")["score"].nunique().gt(1).all()


@pytest.mark.parametrize(("head", "fewest"), [("lstm", 0), ("window", 1)])
def test_each_first_frame_is_read_once(head, fewest, query_set, toy_config):
    predictor = predictor_of(head, toy_config)
    video = query_set.queries[0].video
    requests = context_requests(query_set, parse_contexts("1f,1s,2s,3s,4s,full", query_set.longest_seconds))
    requests = [request for request in requests if query_set.queries[request.index].video == video]
    clips = list(_clips(predictor, query_set, video, requests))
    assert sum(len(together) for _, together in clips) == len(requests)
    starts = {request.start for request in requests}
    reach = predictor.model.head.context_frames
    forgotten = {request.start for request in requests if reach and request.stop - request.start >= reach}
    assert len(clips) <= len(starts)
    if fewest:
        kept = {request.start for request in requests if request.stop - request.start < reach}
        assert forgotten - kept - {0} and len(clips) == len(kept | {0})
