"""Each rule on synthetic labels: what it derives its option from, and that given values stay."""

import ast
import dataclasses
import inspect
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore
from vidseq.heads import HEADS
from vidseq.heads.config import HeadConfig
from vidseq.training import ResolvedConfig, TrainConfig, decoding_choice, frame_probe, label_statistics, rules
from vidseq.training.frame_probe import FrameProbe
from vidseq.training.label_statistics import LabelStatistics
from vidseq.training.rules import derive

World = tuple[Dataset, FeatureStore]
OFFLINE = TrainConfig(causal=False)


def make_world(
    folder,
    *,
    videos=8,
    lengths=(8.0, 12.0, 20.0, 8.0, 12.0, 20.0),
    fps=2,
    separation=3.0,
    offsets=0.0,
    queries=(),
) -> World:
    """Videos with these actions in seconds; channel c is `separation` high in class c, plus an offset of the video."""
    rng = np.random.default_rng(0)
    classes = ("background", "a", "b", "c")
    store = FeatureStore.create_in(
        folder, Fingerprint(backbone="toy", weights="external", input_size=0, resize="external", fps=str(fps))
    )
    rows, segments = [], []
    for number in range(videos):
        name, start, labels = f"v{number}", 0.0, []
        for place, seconds in enumerate(lengths):
            label = 1 + (place + number) % 3
            segments.append(Segment(video=name, start=start, end=start + seconds, label=classes[label]))
            labels += [label] * round(seconds * fps)
            start += seconds
        features = rng.normal(size=(len(labels), 6)) + offsets * rng.normal(size=6)
        features[np.arange(len(labels)), labels] += separation
        store.write(name, features.astype(np.float32), np.arange(len(labels)) / fps)
        rows.append(Video(video=name, split="train", duration=start))
    info = DatasetInfo(
        name="toy", labels={"action": classes, "answer": ("yes",)}, background="background", observations="features"
    )
    return write_dataset(folder, info, rows, segments, list(queries)), store


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


def test_statistics_by_hand(world):
    found = LabelStatistics.of(world[0], Fraction(2))
    assert (found.num_videos, found.num_actions, found.per_video, found.longest_video) == (8, 48, 6, 80)
    # Of 80 s, 16 lie in actions of 8 s, 24 in those of 12 s, 40 in those of 20 s.
    assert found.around_a_frame == pytest.approx((16 * 8 + 24 * 12 + 40 * 20) / 80)
    assert (found.short_seconds, found.long_seconds) == (8, 20)


def test_background_and_other_splits_do_not_count(tmp_path):
    info = DatasetInfo(name="toy", labels={"action": ("nothing", "a")}, background="nothing")
    rows = [Video(video="one", split="train", duration=90), Video(video="two", split="test", duration=90)]
    segments = [
        Segment(video="one", start=0, end=80, label="nothing"),
        Segment(video="one", start=80, end=84, label="a"),
        Segment(video="two", start=0, end=50, label="a"),
    ]
    found = LabelStatistics.of(write_dataset(tmp_path, info, rows, segments, []), Fraction(1))
    assert found.seconds.tolist() == [4]
    assert found.num_videos == 1


def test_all_options_of_frame_labels_follow_from_the_labels(world):
    found = derive(*world, OFFLINE)
    config = found.config
    assert config.head == "conv"
    assert config.tasks == {"frame_labels": {"smoothing": 0.15}}
    assert config.frames_per_step == 1  # 8 s at 2 frames a second, 10 steps
    # 4 long actions of 20 s are the longest video: 160 frames to either side, 1 + 2 + 4 + ... + 128 = 255.
    assert config.head_options == {"layers": 8, "dropout": 0.2}
    assert config.batch_size == 2  # 70 actions at 6 a video would be 12, of 8 videos
    assert config.epochs == 100  # 4 steps an epoch
    assert (config.dim, config.feature_dropout) == (64, 0.2)
    assert config.drift_seconds == pytest.approx((16 * 8 + 24 * 12 + 40 * 20) / 80, abs=0.05)
    assert not any(getattr(config, name) is None for name in ResolvedConfig.__annotations__)
    for name in ("head", "layers", "batch_size", "epochs", "dim", "feature_noise", "level_videos", "frames_per_step"):
        assert any(name in reason for reason in found.reasons), name


def test_given_values_stay(world):
    given_values = TrainConfig(
        causal=False,
        head="conv",
        head_options={"layers": 2, "dropout": 0.0},
        tasks={"frame_labels": {"smoothing": 0.0}},
        dim=8,
        epochs=3,
        batch_size=5,
        feature_dropout=0.0,
        feature_noise=0.0,
        feature_drift=0.0,
        drift_seconds=1.5,
        level_videos=False,
        frames_per_step=3,
    )
    found = derive(*world, given_values)
    assert found.config == given_values.resolved()
    assert found.reasons == ()


def test_a_causal_model_reads_every_frame_and_no_whole_video(world):
    config = derive(*world, TrainConfig(tasks={"frame_labels": {}})).config
    assert (config.frames_per_step, config.level_videos) == (1, False)
    assert config.head_options["layers"] == 7  # 160 frames back, 2 + 4 + ... + 128 = 254


def test_listed_queries_are_learnt_as_ever(tmp_path):
    query = Query(video="v0", time=3.0, kind="question", question="Is it?", answer="yes")
    world = make_world(tmp_path, queries=[query])
    config = TrainConfig(tasks={"frame_labels": {}, "question": {}})
    assert derive(*world, config) == rules.Derived(config.resolved(), ())
    assert derive(*world, TrainConfig(tasks={"frame_labels": {}})).config.head == "conv"


def test_high_rates_are_read_in_steps_of_the_same_duration(tmp_path):
    slow, fast = (derive(*make_world(tmp_path / str(fps), fps=fps), OFFLINE).config for fps in (2, 10))
    assert (slow.frames_per_step, fast.frames_per_step) == (1, 8)  # 8 s are 80 frames, 10 steps
    assert fast.head_options["layers"] == math.ceil(math.log2(80 * 10 / 8 + 1))
    assert (slow.drift_seconds, slow.batch_size, slow.epochs) == (fast.drift_seconds, fast.batch_size, fast.epochs)


def test_many_videos_are_passed_over_less_often_and_learnt_by_a_wider_model(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "FEW_ACTIONS", 200)
    monkeypatch.setattr(rules, "OPTIMISER_STEPS", 40)
    world = make_world(tmp_path, videos=40)
    config = derive(*world, TrainConfig(causal=False, feature_noise=0.0, level_videos=False)).config
    assert (config.dim, config.feature_dropout, config.head_options["dropout"]) == (128, 0.1, 0.1)
    assert config.epochs == 10  # 4 steps an epoch


def test_noise_grows_until_single_frames_do_not_suffice(tmp_path):
    easy = derive(*make_world(tmp_path / "easy", separation=6.0), OFFLINE).config
    hard = derive(*make_world(tmp_path / "hard", separation=0.5), OFFLINE).config
    assert easy.feature_noise > 0.3
    assert easy.feature_drift == pytest.approx(2 * easy.feature_noise, abs=0.02)
    assert (hard.feature_noise, hard.feature_drift) == (0, 0)


def test_videos_are_levelled_unless_that_hides_the_action(tmp_path):
    shifted = make_world(tmp_path / "shifted", offsets=3.0, videos=12)
    assert derive(*shifted, OFFLINE).config.level_videos
    one_action_each = make_world(tmp_path / "one", lengths=(40.0,), videos=24)
    assert not derive(*one_action_each, OFFLINE).config.level_videos


def test_one_video_leaves_nothing_to_hold_out(tmp_path):
    config = derive(*make_world(tmp_path, videos=1), OFFLINE).config
    assert (config.feature_noise, config.feature_drift, config.level_videos) == (0, 0, False)


def test_no_rule_names_a_data_set():
    """Words of the code itself; docstrings may say what constants were chosen on."""
    names = ("salads", "breakfast", "epic", "classroom", "gtea", "thumos", "charades", "toy")
    for module in (rules, label_statistics, frame_probe, decoding_choice):
        tree = ast.parse(inspect.getsource(module))
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
        }
        words = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
        words += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        words += [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        ]
        assert not [word for word in words if any(name in word.lower() for name in names)]


@given(st.integers(1, 5000), st.booleans(), st.sampled_from(sorted(HEADS)))
def test_heads_see_the_context_that_is_asked_for(frames, causal, name):
    head = HEADS[name]
    options = head.options_for_context(frames, causal)
    if options and (causal or head.supports_noncausal):
        made = head(head.Config(dim=4, causal=causal, **options))
        assert made.context_frames - 1 >= frames  # context_frames counts the frame itself, and one side
        fewer = {**options, "layers": options["layers"] - 1}
        if fewer["layers"]:
            assert head(head.Config(dim=4, causal=causal, **fewer)).context_frames - 1 < frames
    assert issubclass(head.Config, HeadConfig)


def test_many_labels_a_frame_are_no_segmentation(world):
    config = TrainConfig(causal=False, tasks={"frame_labels": {"multi_label": True}})
    assert derive(*world, config) == rules.Derived(config.resolved(), ())


LENGTHS = st.lists(st.floats(-1.6, 3.6).map(lambda power: 10**power), min_size=1, max_size=60)
RATES = st.sampled_from(["1/2", "1", "3", "4", "15", "25", "30000/1001", "30"])


@given(LENGTHS, st.integers(1, 5000), RATES, st.booleans(), st.integers(1, 4))
def test_options_are_sane_whatever_the_labels(seconds, num_videos, fps, causal, clips_per_video):
    """Actions of 25 ms to an hour, half a frame to 30 frames a second, one to thousands of videos."""
    lengths = np.array(seconds)
    labels = LabelStatistics(lengths, num_videos, float(lengths.sum()), Fraction(fps))
    # The features are not looked at where noise and levelling are given.
    given_values = TrainConfig(
        causal=causal, clips_per_video=clips_per_video, feature_noise=0.0, feature_drift=0.0, level_videos=False
    )
    found = rules._Rules(None, None, given_values, labels)
    found.choose()
    config = dataclasses.replace(given_values, **found.values, head_options=found.head_options).resolved()
    step = config.frames_per_step / labels.fps
    assert config.frames_per_step == 1 or (causal is False and (lengths < 2 * step * (1 - 1e-9)).mean() <= 0.01)
    assert config.frames_per_step == 1 or np.quantile(lengths, 0.1) >= 10 * step * (1 - 1e-9)
    head = HEADS[config.head](HEADS[config.head].Config(dim=4, causal=causal, **config.head_options))
    needed = min(4 * labels.long_seconds, labels.longest_video)
    assert (head.context_frames - 1) * step >= needed * (1 - 1e-9)
    assert config.head_options["layers"] == 1 or (head.context_frames - 1) / 2 * step <= 2 * needed + step
    steps = math.ceil(num_videos * clips_per_video / config.batch_size)
    assert 2 <= config.batch_size <= 16 and 10 <= config.epochs <= 100
    assert config.epochs * steps >= min(400, 100 * math.ceil(num_videos * clips_per_video / 2))
    assert config.epochs == 10 or (config.epochs - 1) * steps < 400, "no pass more than the steps need"
    assert 0.9 * lengths.min() - 0.05 <= config.drift_seconds <= 1.1 * lengths.max() + 0.05
    assert config.dim in (64, 128)
    assert all(reason.endswith(".") and "\n" not in reason and "nan" not in reason for reason in found.reasons)
    assert not any(" 0 s" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    "videos,lengths,fps", [(3, (0.04,) * 40, 25), (2, (900.0, 2.0) * 2, 1), (5, (0.4,) * 30, 30), (9, (30.0,), 1)]
)
def test_strange_data_sets_have_options(tmp_path, videos, lengths, fps):
    for config in (OFFLINE, TrainConfig(tasks={"frame_labels": {}})):
        found = derive(*make_world(tmp_path / str(config.causal), videos=videos, lengths=lengths, fps=fps), config)
        assert found.config.drift_seconds > 0 and 0 <= found.config.feature_drift < 3


def test_rare_short_actions_are_seen_among_long_ones(world):
    lengths = np.array([600.0] * 95 + [2.0] * 5)
    labels = LabelStatistics(lengths, 10, 6000.0, Fraction(15))
    found = rules._Rules(*world, TrainConfig(causal=False, level_videos=False, feature_noise=0.0), labels)
    found.choose()
    assert found.values["frames_per_step"] == 15  # two steps in 2 s; ten in 600 s would be 900 frames


def test_few_videos_have_smaller_steps(world):
    lengths, config = np.full(12, 10.0), TrainConfig(causal=False, level_videos=False, feature_noise=0.0)
    for num_videos, batch_size in {2: 2, 8: 2, 40: 10, 64: 16, 4000: 16}.items():
        found = rules._Rules(*world, config, LabelStatistics(lengths[:num_videos], num_videos, 10.0, Fraction(4)))
        found.choose()
        assert found.values["batch_size"] == batch_size


def test_chance_is_the_share_of_the_most_frequent_class(tmp_path):
    probe = FrameProbe.of(frame_probe.read_videos(*make_world(tmp_path, videos=8, lengths=(90.0, 10.0))))
    assert probe is not None
    shares = np.bincount(probe.held_out[1], minlength=4) / len(probe.held_out[1])
    assert probe.chance == pytest.approx(shares[np.bincount(probe.learnt[1]).argmax()]) != 0


def test_noise_stops_halfway_to_chance(world, monkeypatch):
    asked = []
    monkeypatch.setattr(FrameProbe, "noise_for", lambda self, accuracy: asked.append(accuracy) or 0.0)
    for chance in (0.1, 0.34, 0.8):
        monkeypatch.setattr(FrameProbe, "chance", property(lambda self, chance=chance: chance))
        derive(*world, OFFLINE)
    assert asked == pytest.approx([0.67, 0.67, 0.9])
