import dataclasses

import numpy as np
import pytest
import torch

from vidseq.data.schema import Query
from vidseq.errors import DataError, ModelError, UserError
from vidseq.inference.predictor import Predictor
from vidseq.language.question import pad_tokens
from vidseq.model import VideoReasoner


def ask(time: float = 1.0, kind: str = "question", **fields: object) -> Query:
    return Query(video="v", time=time, kind=kind, answer="red", **fields)  # type: ignore[arg-type]


@pytest.fixture
def clips() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, 6)).astype(np.float32) for length in (5, 1, 0, 12, 5)]


def times(clip: np.ndarray) -> np.ndarray:
    return np.arange(len(clip)) / 4


def alone(model: VideoReasoner, clip: np.ndarray, query: Query) -> np.ndarray:
    with torch.no_grad():
        _, state = model.step(torch.from_numpy(clip)[None], model.init_state(1))
        tokens = pad_tokens([model.vocabulary.encode(query.question)])[None]
        return model.ask(tokens, state, query.kind)[0, 0].log_softmax(-1).numpy()


def test_a_batch_is_each_clip_alone(toy_model: VideoReasoner, clips: list[np.ndarray]) -> None:
    queries = [ask(question=text) for text in ("what colour", "was it", "what", "colour?", "it")]
    scores = Predictor(toy_model)(clips, [times(clip) for clip in clips], queries)
    assert scores.dtype == np.float32
    for clip, query, row in zip(clips, queries, scores):
        np.testing.assert_allclose(row, alone(toy_model, clip, query), atol=1e-5)


def test_blind_alone(toy_model: VideoReasoner) -> None:
    empty = np.zeros((0, 6), np.float32)
    scores = Predictor(toy_model)([empty], [np.zeros(0)], [ask(question="what")])
    expected = toy_model.blind(pad_tokens([toy_model.vocabulary.encode("what")])[None], "question")
    np.testing.assert_allclose(scores[0], expected[0, 0].log_softmax(-1).detach().numpy(), atol=1e-5)


def test_batches_are_bounded(
    toy_model: VideoReasoner, clips: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = [ask(question="what")] * 5
    whole = Predictor(toy_model)(clips, [times(clip) for clip in clips], queries)
    monkeypatch.setattr("vidseq.inference.predictor.MAX_FRAMES", 6)
    np.testing.assert_allclose(Predictor(toy_model)(clips, [times(c) for c in clips], queries), whole, atol=1e-5)


def test_one_video_is_read_once_for_all_queries(toy_model: VideoReasoner, clips: list[np.ndarray]) -> None:
    clip = clips[3]
    queries = [ask(2.0, question="what"), ask(0.0, "next_action"), ask(2.6, "next_action"), ask(99.0, question="it")]
    for query, row in zip(queries, Predictor(toy_model).predict(clip, times(clip), queries)):
        seen = clip[times(clip) <= query.time]
        np.testing.assert_allclose(row, alone(toy_model, seen, query), atol=1e-5)


def test_choices_rule_the_others_out(toy_model: VideoReasoner, clips: list[np.ndarray]) -> None:
    query = ask(question="what", choices=("red", "blue", "mauve"))
    (row,) = Predictor(toy_model).predict(clips[3], times(clips[3]), [query])
    assert np.isneginf(row).tolist() == [False, True, False]
    assert np.exp(row).sum() == pytest.approx(1)
    with pytest.raises(UserError, match=r"expects choices that the model knows, got mauve\. Known: red"):
        Predictor(toy_model).predict(clips[3], times(clips[3]), [ask(choices=("mauve",))])


def test_scores_come_in_the_order_of_classes_asked_for(toy_model: VideoReasoner, clips: list[np.ndarray]) -> None:
    own = Predictor(toy_model)
    other = Predictor(toy_model, {"answer": ("blue", "pink", "red")})
    assert other.classes("question") == ("blue", "pink", "red")
    (first,) = own.predict(clips[0], times(clips[0]), [ask()])
    (second,) = other.predict(clips[0], times(clips[0]), [ask()])
    assert second.tolist() == [first[2], -np.inf, first[0]]
    with pytest.raises(ModelError, match=r"classes of question expect to be some of the data set's, got none"):
        Predictor(toy_model, {"answer": ("x", "y")})


def test_frames_are_labelled_in_pieces(toy_model: VideoReasoner, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = np.random.default_rng(0).normal(size=(11, 6)).astype(np.float32)
    whole = Predictor(toy_model).frame_labels(clip)
    assert whole.shape == (11, 2)
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-5)
    monkeypatch.setattr("vidseq.inference.predictor.MAX_PIECE_FRAMES", 4)
    np.testing.assert_allclose(Predictor(toy_model).frame_labels(clip), whole, atol=1e-5)


def test_a_noncausal_model_labels_but_is_not_asked(toy_model: VideoReasoner, clips: list[np.ndarray]) -> None:
    model = VideoReasoner(dataclasses.replace(toy_model.config, causal=False, tasks={"frame_labels": {}}))
    assert Predictor(model).frame_labels(clips[3]).shape == (12, 2)
    with pytest.raises(UserError, match=r"causal=False labels whole videos, so it expects no queries"):
        Predictor(model)(clips[:1], [times(clips[0])], [ask()])


def test_bad_input_is_named(toy_model: VideoReasoner, clips: list[np.ndarray]) -> None:
    predictor = Predictor(toy_model)
    clip = clips[0]
    with pytest.raises(UserError, match=r"at or after the video's first frame \(2\.000 s\), got 1\.000 s\."):
        predictor.predict(clip, times(clip) + 2, [ask(1.0)])
    with pytest.raises(UserError, match=r"one kind at a time, got next_action, question\. Call it once a kind\."):
        predictor([clip, clip], [times(clip)] * 2, [ask(), ask(kind="next_action")])
    with pytest.raises(DataError, match=r"expects features \(T, 6\), got \(5, 5\)\."):
        predictor.frame_labels(clip[:, :5])
    spoilt = clip.copy()
    spoilt[3, 2] = np.nan
    with pytest.raises(DataError, match=r"got NaN or infinity in frame 3\."):
        predictor([spoilt], [times(clip)], [ask()])


def test_a_task_that_forecasts_is_not_answered(toy_model: VideoReasoner, clips: list[np.ndarray]) -> None:
    model = VideoReasoner(dataclasses.replace(toy_model.config, tasks={"labels_ahead": {}}))
    kind = model.find_task("labels_ahead").query_kind
    with pytest.raises(UserError, match=r"got one for labels_ahead, which forecasts\. Call futures, likeliest"):
        Predictor(model)(clips[:1], [times(clips[0])], [ask(kind=kind)])
