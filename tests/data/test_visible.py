"""One rule for what a query sees, and every part of vidseq that shows samples to a model holds to it."""

import ast
import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.probes import BagOfFrames, LastFrameProbe
from vidseq.data.dataset import Dataset
from vidseq.data.query_set import QuerySet
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.data.visible import Past, count_visible, is_visible, past_of, visible_span, within_intervals
from vidseq.errors import UserError
from vidseq.evaluation.contexts import Context
from vidseq.evaluation.frame_queries import frame_label_queries
from vidseq.evaluation.input_controls import EvidenceOnly, SwappedPast
from vidseq.evaluation.requests import context_requests, control_requests, past_of_request
from vidseq.features.store import VideoFeatures
from vidseq.inference.offline import predict_video
from vidseq.inference.predictor import Predictor
from vidseq.inference.request import PredictionRequest
from vidseq.inference.stream import Stream
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.probing.seen import evidence_frames, newest_frames
from vidseq.tasks import FrameLabels
from vidseq.training.clip_sampler import ClipSampler
from vidseq.training.clips import make_clip_dataset
from vidseq.training.config import TrainConfig
from vidseq.video.sampling import SAME_TIME_SECONDS, count_intervals

RATES = [Fraction(4), Fraction(30000, 1001), Fraction(25, 3), Fraction(1, 2), Fraction(16), Fraction(24000, 1001)]
QUESTION = "What colour was it?"
DIM = 6


@dataclass(frozen=True)
class Case:
    """Samples, when something is asked, and how much of the past is shown."""

    times: np.ndarray
    time: float
    context_seconds: float = math.inf
    frames: int | None = None

    @property
    def features(self) -> np.ndarray:
        """The first channel is a sample's index."""
        noise = np.random.default_rng(len(self.times)).normal(size=(len(self.times), DIM))
        noise[:, 0] = np.arange(len(self.times))
        return noise.astype(np.float32)

    @property
    def seen(self) -> list[int]:
        """The rule as it is written, in exact numbers."""
        time, tolerance = Fraction(self.time), Fraction(SAME_TIME_SECONDS)
        seconds = [Fraction(value) for value in self.times.tolist()]
        found = [index for index, value in enumerate(seconds) if value <= time + tolerance]
        if math.isfinite(self.context_seconds):
            oldest = time - Fraction(self.context_seconds) + tolerance
            found = [index for index in found if seconds[index] > oldest]
        return found if self.frames is None else found[-self.frames :]

    @property
    def decided(self) -> bool:
        """Whether no sample stands so near an edge that floating-point numbers decide."""
        edges = np.array([self.time, self.time - self.context_seconds]) + SAME_TIME_SECONDS
        return bool((np.abs(self.times[:, None] - edges) > 1e-10).all())

    @property
    def all_seen(self) -> list[int]:
        return Case(self.times, self.time).seen

    @property
    def query(self) -> Query:
        return Query(video="v", time=self.time, kind="question", question=QUESTION, answer="red")


def at_a_rate(rate, count, first):
    return first + np.arange(count) * (rate.denominator / rate.numerator)


at_rates = st.builds(at_a_rate, st.sampled_from(RATES), st.integers(1, 12), st.sampled_from([0.0, 0.5, 7.0, 3600.0]))
at_any_times = st.lists(st.floats(0.002, 3.0), min_size=0, max_size=11).map(lambda gaps: np.cumsum([0.0, *gaps]))
nudges = st.sampled_from([0.0, 1e-12, -1e-12, 1e-9, 4e-4, -4e-4, 6e-4, -6e-4])


@st.composite
def cases(draw, *, limited=True):
    times = draw(at_rates | at_any_times) + draw(st.sampled_from([0.0, 1e-13]))
    time = float(times[draw(st.integers(0, len(times) - 1))]) + draw(nudges | st.floats(0, 3.0))
    if draw(st.booleans()):
        time = round(time, 3)
    seconds, frames = math.inf, None
    if limited and draw(st.booleans()):
        seconds = time - float(times[draw(st.integers(0, len(times) - 1))]) + draw(nudges | st.floats(0, 3.0))
        seconds = round(seconds, 3) if draw(st.booleans()) else seconds
    elif limited:
        frames = draw(st.integers(1, 4))
    case = Case(times, time, seconds, frames)
    assume(seconds > 0.01 and case.decided and case.all_seen and time >= 0)
    return case


def search(given_cases):
    """Many cases; fixtures are the same for all of them, which is fine: nothing changes them."""
    few = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    return lambda test: given(given_cases)(few(test))


class Store:
    """Features in memory."""

    dim = DIM
    tokens = None

    def __init__(self, case: Case) -> None:
        other = Case(np.arange(3.0), 2.0).features
        other[:, 0] = -1 - np.arange(3)
        self._videos = {"v": VideoFeatures(case.features, case.times), "other": VideoFeatures(other, np.arange(3.0))}

    def __contains__(self, video: object) -> bool:
        return video in self._videos

    def read(self, video: str) -> VideoFeatures:
        return self._videos[video]


def dataset_of(case: Case, *more: Query) -> Dataset:
    info = DatasetInfo(name="cases", labels={"action": ("wave", "jump"), "answer": ("red", "green", "blue")})
    videos = {name: Video(video=name, split="train", duration=9999.0) for name in ("v", "other")}
    segments = [Segment(video=name, start=0.0, end=9999.0, label="wave") for name in videos]
    return Dataset(None, info, videos, segments, [case.query, *more])  # type: ignore[arg-type]


def indices(features: np.ndarray | torch.Tensor) -> list[int]:
    return [int(value) for value in features[:, 0]]


@pytest.fixture
def asker(toy_config: ModelConfig) -> VideoReasoner:
    """A model that answers questions and nothing else."""
    torch.manual_seed(0)
    return VideoReasoner(replace(toy_config, tasks={"question": {}})).eval()


# ------------------------------------------------------------------------------------------------ the rule itself


@search(cases())
@example(Case(np.arange(9) / 3, 0.333))
@example(Case(np.arange(9) / 3, 1.333, 1.0))
@example(Case(np.arange(17) / 16, 0.062, math.inf, 1))  # written to the millisecond, half of one off
def test_a_span_is_the_rule_as_it_is_written(case):
    start, stop = visible_span(case.times, case.time, context_seconds=case.context_seconds, frames=case.frames)
    assert list(range(start, stop)) == case.seen
    assert count_visible(case.times, case.time) == len(case.all_seen)
    assert [is_visible(seconds, case.time) for seconds in case.times] == [
        index in case.all_seen for index in range(len(case.times))
    ]
    past = past_of(case.features, case.times, case.time, context_seconds=case.context_seconds, frames=case.frames)
    assert indices(past.features) == case.seen and past.pts_seconds.tolist() == case.times[case.seen].tolist()


@pytest.mark.parametrize("rate", RATES)
def test_a_context_of_whole_samples_shows_so_many_whichever_way_times_are_written(rate):
    times = at_a_rate(rate, 4000, 0.0)
    for index in range(100, 4000, 7):
        for time in (times[index], round(float(times[index]), 3)):
            start, stop = visible_span(times, float(time), context_seconds=float(48 / rate))
            assert (stop - start, stop) == (48, index + 1)


def test_a_query_before_the_first_sample_sees_nothing():
    assert visible_span(np.arange(3.0), -0.001) == (0, 0)
    assert visible_span(np.arange(3.0), -0.0005) == (0, 1)
    assert visible_span([], 5.0) == (0, 0)
    assert visible_span(np.arange(3.0), 1.0, frames=0) == (2, 2)


def test_intervals_hold_samples_with_the_same_tolerance():
    times = np.arange(7) / 3
    assert np.flatnonzero(within_intervals(times, [(0.333, 0.667), (1.6, 1.66)])).tolist() == [1, 2]
    assert np.flatnonzero(within_intervals(times, [(1.667, 1.667)])).tolist() == [5]
    assert not within_intervals(times, []).any()


@given(st.sampled_from(RATES), st.integers(0, 4000), st.sampled_from([0.0, 4e-4, -4e-4]))
def test_an_interval_that_ends_now_has_passed_however_its_end_is_written(rate, count, nudge):
    start, every = 7.0, float(1 / rate)
    end = start + count * every
    assert count_intervals(start, end + nudge, every) == count_intervals(start, round(end, 3), every) == count
    assert count_intervals(start, end - 6e-4, every) == max(0, count - 1)


#: Who else may know how near two times are one, and why.
KNOW_THE_TOLERANCE = {
    "vidseq/data/visible.py": "the rule",
    "vidseq/video/sampling.py": "which picture is on screen when",
    "vidseq/inference/stream.py": "takes a sample of the picture on screen",
    "vidseq/training/clips.py": "draws times of queries that see a given sample",
    "vidseq/explain/run.py": "finds a query by its time",
    "vidseq/app/pictures.py": "shows the picture on screen",
    "vidseq/inference/labels_by_text.py": "smooths the scores of samples near one another",
}
#: Comparisons of samples with a query's time, and searches among samples, which are for the rule alone.
COMPARED = re.compile(r"pts_seconds\S* [<>]=? (\w+\.)?time\b|\btime [<>]=? \S*pts_seconds")
SEARCHED = re.compile(r"\S*(searchsorted|bisect\w*)\(\S*pts_seconds")


def test_nobody_else_has_a_rule():
    root = Path(__file__).parents[2]
    texts = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in root.glob("vidseq/**/*.py")}
    assert {name for name, text in texts.items() if "SAME_TIME_SECONDS" in text} == KNOW_THE_TOLERANCE.keys()
    trees = {name: ast.parse(text) for name, text in texts.items() if "pts_seconds" in text}
    nodes = [(name, node) for name, tree in trees.items() for node in ast.walk(tree)]
    compared = {name for name, node in nodes if isinstance(node, ast.Compare) and COMPARED.search(ast.unparse(node))}
    searched = {name for name, node in nodes if isinstance(node, ast.Call) and SEARCHED.match(ast.unparse(node))}
    assert not (compared | searched) - {"vidseq/data/visible.py", "vidseq/video/sampling.py"}


# ------------------------------------------------------------------------------------------------ all who follow it


@search(cases())
def test_training_shows_what_the_rule_says(toy_model, case):
    clips = make_clip_dataset(dataset_of(case), Store(case), "train", toy_model)
    seconds = case.context_seconds if math.isfinite(case.context_seconds) else None
    config = TrainConfig(context_seconds=seconds, context_frames=case.frames, full_context=1.0)
    sampler = ClipSampler(clips, config, causal=True)
    batches = [clips.batch([(0, clip)]) for clip in sampler.scoring_clips(0)] + [sampler.batch([0], 0, 0)]
    asked = [
        indices(batch.features[row, :frames])
        for batch in batches
        for row, frames in zip(batch.asked["question"].rows, batch.asked["question"].frames)
    ]
    assert asked == [case.seen] * 2


@search(cases())
def test_evaluation_shows_what_the_rule_says(case):
    query_set = QuerySet(dataset_of(case), Store(case), "train", [case.query])
    assert indices(query_set.past(0).features) == case.all_seen
    (request,) = context_requests(query_set, [Context(case.context_seconds, case.frames)])
    assert (request.frames, indices(past_of_request(query_set, request).features)) == (len(case.seen), case.seen)
    (thin,) = context_requests(query_set, [Context(case.context_seconds, case.frames, every=2)])
    assert indices(past_of_request(query_set, thin).features) == case.seen[::-2][::-1]


@search(cases())
def test_controls_and_baselines_show_what_the_rule_says(case):
    query_set = QuerySet(dataset_of(case), Store(case), "train", [case.query])
    shown = [
        past_of_request(query_set, request) for request in control_requests(query_set, ["last_frame", "shuffled"])
    ]
    assert [sorted(indices(past.features)) for past in shown] == [case.all_seen[-1:], case.all_seen]
    past = query_set.past_of(case.query)
    assert indices(past.features) == case.all_seen
    assert indices(LastFrameProbe().inputs(past, case.query)) == case.all_seen[-1:]
    if case.frames is None:
        swapped = SwappedPast(case.context_seconds).change(past, case.query, lambda: query_set.donor(0))
        assert [index for index in indices(swapped.features) if index >= 0] == case.seen
        recent = case.seen or case.all_seen[-1:]
        expected = BagOfFrames().inputs(Past(case.features[recent], case.times[recent]), case.query)
        np.testing.assert_array_equal(BagOfFrames(case.context_seconds).inputs(past, case.query), expected)


@search(cases(limited=False))
def test_evidence_counts_only_what_is_seen(case):
    query = Query(video="v", time=case.time, kind="question", answer="red", evidence=((0.0, case.time),))
    past = past_of(case.features, case.times, case.time)
    assert indices(EvidenceOnly().change(past, query, lambda: past).features) == case.all_seen


@search(cases(limited=False))
def test_probes_see_what_the_rule_says(case):
    """Evidence that begins where the query is asked is in the newest sample, also where it lies before both."""
    at_end = Query(video="v", time=case.time, kind="question", answer="red", evidence=((case.time, case.time + 1),))
    query_set = QuerySet(dataset_of(case), Store(case), "train", [at_end])
    newest = np.float16(case.all_seen[-1])
    assert newest_frames(query_set, [at_end])[0, 0, 0] == newest
    assert evidence_frames(query_set, [at_end])[0, 0, 0] == newest


@search(cases(limited=False))
def test_labels_have_begun_with_the_samples_that_show_them(case):
    """Each sample begins an action: baselines know the labels of the samples that a model sees."""
    segments = [Segment(video="v", start=time, end=time + 1, label=str(k)) for k, time in enumerate(case.times)]
    data = BaselineData([], [], (), {"v": segments}, lambda query: past_of(case.features, case.times, query.time))
    assert data.labels_before(case.query) == [str(index) for index in case.all_seen]


@search(cases(limited=False))
def test_offline_answers_are_from_what_the_rule_says(toy_model, case):
    predictor = Predictor(toy_model)
    (answer,) = predictor.predict(case.features, case.times, [case.query])
    np.testing.assert_allclose(answer, answer_from(predictor, case, case.seen), atol=1e-5)


@search(cases())
def test_predict_with_a_context_answers_from_what_the_rule_says(asker, case):
    assume(case.frames is None)
    request = PredictionRequest(questions=(QUESTION,), at=(case.time,), context_seconds=case.context_seconds, top=3)

    def predict():
        video = VideoFeatures(case.features, case.times)
        return predict_video(asker, "v", video, max(case.time, case.times[-1]), request)

    if not case.seen:
        with pytest.raises(
            UserError, match=r"--context expects to show a frame at .* s, which shows none\. Give more"
        ):
            predict()
        return
    (row,) = predict()
    classes = Predictor(asker).classes("question")
    expected = dict(zip(classes, np.exp(answer_from(Predictor(asker), case, case.seen))))
    assert dict(row.ranking) == pytest.approx(expected, abs=1e-5)


@search(cases(limited=False))
def test_a_stream_takes_the_queries_that_see_its_newest_sample_and_no_others(toy_model, case):
    stream = Stream(toy_model)
    for index in case.seen:
        stream.push(case.features[index : index + 1], case.times[index : index + 1])
    answer = dict(stream.ask(QUESTION, at=case.time).ranking)
    predictor = Predictor(toy_model)
    expected = np.exp(answer_from(predictor, case, case.seen))
    assert answer == pytest.approx(dict(zip(predictor.classes("question"), expected)), abs=1e-5)
    later = slice(len(case.seen), len(case.seen) + 1)
    if len(case.times[later]):
        stream.push(case.features[later], case.times[later])
        with pytest.raises(UserError, match="Ask before pushing later frames"):
            stream.ask(QUESTION, at=case.time)


@search(cases(limited=False))
def test_frame_label_queries_see_the_sample_that_they_are_about(case):
    every = max(0.05, case.time - float(case.times[0]))
    dataset = dataset_of(case)
    task = FrameLabels(4, dataset.action_labels, {}, 0.0)
    queries = frame_label_queries(dataset, Store(case), every, task)
    own = [query for query in queries if query.video == "v"]
    query_set = QuerySet(dataset_of(case), Store(case), "train", own)
    wanted = [case.times[0] + every * count for count in range(1, 1 + int(1 + np.ptp(case.times) / every))]
    newest = {Case(case.times, time).seen[-1] for time in wanted if time < case.times[-1] + SAME_TIME_SECONDS}
    assert [indices(query_set.past(number).features)[-1] for number in range(len(own))] == sorted(newest)


@given(at_rates, st.floats(-1.0, 0.0))
def test_queries_that_see_nothing_are_refused_everywhere(times, before):
    case = Case(times, float(times[0]) + before)
    assume(case.decided)
    if case.seen:
        QuerySet(dataset_of(case), Store(case), "train", [case.query])
        return
    with pytest.raises(UserError, match=r"Evaluation expects queries at or after the first frame of 'v' at"):
        QuerySet(dataset_of(case), Store(case), "train", [case.query])


def test_offline_refuses_a_query_before_the_first_sample(toy_model):
    case = Case(np.arange(3) + 1.0, 0.9)
    refused = r"A query expects a time at or after the video's first frame \(1\.000 s\), got 0\.900 s\."
    with pytest.raises(UserError, match=refused):
        Predictor(toy_model).predict(case.features, case.times, [case.query])
    request = PredictionRequest(questions=(QUESTION,), at=(0.9,), context_seconds=5.0)
    with pytest.raises(UserError, match=refused):
        predict_video(toy_model, "v", VideoFeatures(case.features, case.times), 3.0, request)


def answer_from(predictor: Predictor, case: Case, seen: list[int]) -> np.ndarray:
    (answer,) = predictor([case.features[seen]], [case.times[seen]], [case.query])
    return np.asarray(answer)
