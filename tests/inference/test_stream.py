import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.data.schema import Query
from vidseq.data.visible import count_visible
from vidseq.errors import DataError, FingerprintError, UserError
from vidseq.features.base import Backbone
from vidseq.features.fingerprint import Fingerprint
from vidseq.inference.predictor import Predictor
from vidseq.inference.stream import Stream, _Sampler
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.video.resizing import Size
from vidseq.video.sampling import frame_indices, sample_times


class MeanColor(Backbone):
    """Six numbers of an image, and a count of the images it has seen."""

    name, dim, batch_size = "toy", 6, 4
    size = Size(32, "crop")

    def __init__(self, fingerprint: Fingerprint) -> None:
        self._fingerprint = fingerprint
        self.seen = 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        halves = np.split(images.astype(np.float32) / 255, 2, axis=1)
        return np.concatenate([half.mean(axis=(1, 2)) for half in halves], axis=1)

    def fingerprint(self, fps: Fraction | float | str, decoder: str = "auto") -> Fingerprint:
        return dataclasses.replace(self._fingerprint, fps=str(fps), decoder=decoder)


@pytest.fixture
def backbone(toy_model: VideoReasoner) -> MeanColor:
    assert toy_model.config.fingerprint is not None
    return MeanColor(toy_model.config.fingerprint)


@pytest.fixture
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(30, 32, 32, 3), dtype=np.uint8)


def offline(model: VideoReasoner, features: np.ndarray, times: np.ndarray, query: Query) -> dict[str, float]:
    (scores,) = Predictor(model).predict(features, times, [query])
    return dict(zip(Predictor(model).classes(query.kind), np.exp(scores).tolist()))


@pytest.mark.parametrize("chunk", [1, 3, 20])
def test_asking_at_any_time_is_the_offline_answer(toy_model: VideoReasoner, features: np.ndarray, chunk: int) -> None:
    stream, times = Stream(toy_model), np.arange(20) / 4
    for start in range(0, 20, chunk):
        stream.push(features[start : start + chunk], times[start : start + chunk])
        now = times[: start + chunk][-1]
        query = Query(video="", time=now, kind="question", answer="", question="what colour was it?")
        answer = stream.ask("what colour was it?")
        assert dict(answer.ranking) == pytest.approx(offline(toy_model, features, times, query), abs=1e-5)
        assert answer.answer == answer.ranking[0][0]
        assert answer.probability == max(value for _, value in answer.ranking)
        query = Query(video="", time=now, kind="next_action", answer="")
        assert dict(stream.next_action().ranking) == pytest.approx(
            offline(toy_model, features, times, query), abs=1e-5
        )
        label = Predictor(toy_model).frame_labels(features[: start + chunk])[-1]
        assert dict(stream.current_action().ranking) == pytest.approx(dict(zip(("wave", "jump"), label)), abs=1e-5)
    assert stream.num_frames == 20


def test_futures_are_the_offline_ones(toy_config: ModelConfig, features: np.ndarray) -> None:
    torch.manual_seed(0)
    model = VideoReasoner(dataclasses.replace(toy_config, tasks={"action_sequence": {}}))
    stream, times = Stream(model), np.arange(20) / 4
    with pytest.raises(UserError, match="Stream expects a frame before it is asked, got none yet"):
        stream.likeliest_future()
    for start in (0, 7):
        stream.push(features[start : start + 7], times[start : start + 7])
    past = features[:14], times[:14], [float(times[13])]
    assert stream.likeliest_future() == Predictor(model).likeliest_future(*past[:2], float(times[13]))
    assert stream.futures(num_futures=6, seed=3) == Predictor(model).futures(*past, num_futures=6, seed=3)[0]
    assert stream.futures(num_futures=6, seed=3) != stream.futures(num_futures=6, seed=4)
    with pytest.raises(UserError, match="at or after its newest frame"):
        stream.futures(at=0.1)


def test_choices_are_all_that_is_answered(toy_model: VideoReasoner, features: np.ndarray) -> None:
    stream = Stream(toy_model)
    stream.push(features, np.arange(20) / 4)
    assert stream.ask("what?", choices=["green"]).answer == "green"


def test_images_are_taken_at_the_models_rate(
    toy_model: VideoReasoner, backbone: MeanColor, images: np.ndarray
) -> None:
    stream, times = Stream(toy_model, backbone), np.arange(30) / 10  # ten images a second, four are wanted
    for start in range(0, 30, 7):
        stream.push(images[start : start + 7], times[start : start + 7])
    shown = [int(np.searchsorted(times, at + 1e-9, side="right")) - 1 for at in np.arange(12) / 4]
    assert stream.num_frames == 12
    assert backbone.seen == 12
    sampled = MeanColor(backbone._fingerprint)(images[shown]).astype(np.float16).astype(np.float32)
    query = Query(video="", time=99, kind="question", answer="", question="what?")
    expected = offline(toy_model, sampled, np.arange(12) / 4, query)
    assert dict(stream.ask("what?").ranking) == pytest.approx(expected, abs=1e-5)


def test_a_frame_that_stays_is_computed_once(
    toy_model: VideoReasoner, backbone: MeanColor, images: np.ndarray
) -> None:
    stream = Stream(toy_model, backbone)
    stream.push(images[:2], [5.0, 6.0])  # the clock starts with the first frame
    assert (stream.num_frames, backbone.seen) == (5, 2)
    stream.ask("what?", at=7.0)
    assert stream.num_frames == 9


@given(
    st.lists(st.integers(1, 4000), max_size=12), st.sampled_from(["4", "30000/1001", "25/3", "1/2"]), st.floats(0, 9)
)
@settings(deadline=None)
def test_a_stream_takes_the_samples_that_the_reader_takes(gaps: list[int], fps: str, wait: float) -> None:
    """Pictures at any times, written to the millisecond, and then nothing new for a while."""
    times = np.cumsum([0, *gaps]) / 1000
    end = float(times[-1]) + wait
    wanted = sample_times(end + 1.0, Fraction(fps))
    wanted = wanted[: count_visible(wanted, end)]
    sampler = _Sampler(Fraction(fps))
    images = np.arange(len(times))
    taken = [*sampler.add(images, times + 7.5), *sampler.wait_until(end + 7.5)]
    assert [int(image) for image in taken] == frame_indices(times, end + 1.0, wanted, tick_seconds=1e-3).tolist()


def test_samples_are_read_once_each_and_held_pictures_computed_once(
    toy_model: VideoReasoner, backbone: MeanColor, images: np.ndarray
) -> None:
    stream = Stream(toy_model, backbone, sampled=True)
    buffer = np.empty_like(images[:1])
    shown = [0, 0, 0, 1, 1, 2, 0]
    for index, number in enumerate(shown):  # a sample that is left out is not made up
        buffer[:] = images[number]
        stream.push(buffer, [0.25 * index + 0.5 * (index > 2)])
    assert (stream.num_frames, backbone.seen) == (len(shown), 4)
    sampled = MeanColor(backbone._fingerprint)(images[shown]).astype(np.float16).astype(np.float32)
    query = Query(video="", time=99, kind="question", answer="", question="what?")
    expected = offline(toy_model, sampled, np.arange(len(shown)) / 4, query)
    assert dict(stream.ask("what?", at=99.0).ranking) == pytest.approx(expected, abs=1e-5)
    assert stream.num_frames == len(shown)


def test_the_current_action_is_that_of_the_newest_sample(
    toy_model: VideoReasoner, backbone: MeanColor, images: np.ndarray
) -> None:
    stream = Stream(toy_model, backbone)
    stream.push(images[:1], [0.0])
    answer = stream.current_action(at=2.0)
    assert stream.num_frames == 9
    sampled = MeanColor(backbone._fingerprint)(images[:1]).astype(np.float16).astype(np.float32)
    label = Predictor(toy_model).frame_labels(np.repeat(sampled, 9, axis=0))[-1]
    assert dict(answer.ranking) == pytest.approx(dict(zip(("wave", "jump"), label)), abs=1e-5)


def test_large_images_are_resized_and_small_ones_taken(
    toy_model: VideoReasoner, backbone: MeanColor, images: np.ndarray
) -> None:
    large = np.repeat(np.repeat(images[:1], 3, axis=1), 4, axis=2)
    Stream(toy_model, backbone).push(large, [0.0])
    Stream(toy_model, backbone).push(images[:1], [0.0])


def test_asking_too_early_or_too_late_is_refused(toy_model: VideoReasoner, features: np.ndarray) -> None:
    stream = Stream(toy_model)
    for too_early in (lambda: stream.ask("what?"), stream.next_action, stream.current_action):
        with pytest.raises(UserError, match=r"expects a frame before it is asked, got none yet\. Push frames first\."):
            too_early()
    stream.push(features, np.arange(20) / 4)
    with pytest.raises(UserError, match=r"at or after its newest frame \(4\.750 s\), got 1\.000 s\. Ask before"):
        stream.ask("what?", at=1.0)


def test_wrong_models_and_backbones_are_refused(toy_model: VideoReasoner, backbone: MeanColor) -> None:
    noncausal = dataclasses.replace(toy_model.config, causal=False, tasks={"frame_labels": {}})
    with pytest.raises(UserError, match=r"Stream expects a causal model, got one with causal=False"):
        Stream(VideoReasoner(noncausal))
    other = MeanColor(dataclasses.replace(backbone._fingerprint, backbone="resnet18"))
    with pytest.raises(FingerprintError, match=r"Features expect backbone 'toy', got 'resnet18'\."):
        Stream(toy_model, other)
    with pytest.raises(UserError, match=r"expects a model that knows its frame rate, got one without"):
        Stream(VideoReasoner(dataclasses.replace(toy_model.config, fps=None)), backbone)


def test_wrong_frames_are_refused(
    toy_model: VideoReasoner, backbone: MeanColor, features: np.ndarray, images: np.ndarray
) -> None:
    with pytest.raises(UserError, match=r"expects features \(N, F\), as it has no backbone, got uint8"):
        Stream(toy_model).push(images, np.arange(30))
    with pytest.raises(UserError, match=r"expects uint8 images \(N, H, W, 3\), got float32 \(20, 6\)\."):
        Stream(toy_model, backbone).push(features, np.arange(20))
    with pytest.raises(UserError, match=r"expects a time for each of 20 frames, got \(3,\)\."):
        Stream(toy_model).push(features, np.arange(3))
    with pytest.raises(DataError, match=r"expects features \(T, 6\), got \(20, 5\)\."):
        Stream(toy_model).push(features[:, :5], np.arange(20))
    features[4] = np.inf
    with pytest.raises(DataError, match=r"NaN or infinity in frame 4\."):
        Stream(toy_model).push(features, np.arange(20))


def test_time_only_runs_forward(toy_model: VideoReasoner, features: np.ndarray) -> None:
    stream = Stream(toy_model)
    stream.push(features[:2], [1.0, 2.0])
    stream.push(features[:0], [])
    for times in ([2.0, 3.0], [3.0, 2.5], [3.0, np.nan]):
        with pytest.raises(UserError, match=r"expects pts_seconds that are finite and rise"):
            stream.push(features[:2], times)


def test_the_model_sees_what_the_store_would_have_kept(
    toy_model: VideoReasoner, backbone: MeanColor, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, seen = toy_model.step, []
    monkeypatch.setattr(toy_model, "step", lambda features, state: (seen.append(features), step(features, state))[1])
    Stream(toy_model, backbone).push(images[:1], [0.0])
    assert seen[0].tolist() == backbone(images[:1]).astype(np.float16).astype(np.float32)[None].tolist()


def test_a_model_that_learnt_from_questions_alone_wants_one(toy_config: ModelConfig, features: np.ndarray) -> None:
    stream = Stream(VideoReasoner(dataclasses.replace(toy_config, asked_in_words=("next_action",))))
    stream.push(features, np.arange(20) / 4)
    assert stream.next_action("What will Ann do next?").answer
    with pytest.raises(UserError, match="next_action expects a question"):
        stream.next_action()
