import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from vidseq.data.dataset import Dataset
from vidseq.features.store import FeatureStore
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.training import fit
from vidseq.training.clip_sampler import ClipSampler
from vidseq.training.clips import Batch, Clip, ClipDataset, make_clip_dataset
from vidseq.training.config import TrainConfig

World = tuple[Dataset, FeatureStore]


@pytest.fixture
def clip_dataset(toy_world: World, toy_model: VideoReasoner) -> ClipDataset:
    return make_clip_dataset(*toy_world, "train", toy_model)


def drawn(clip_dataset: ClipDataset, steps: int = 60, **options: object) -> list[tuple[int, Clip]]:
    """The clips of one video, over many steps."""
    config = TrainConfig(**options)  # type: ignore[arg-type]
    sampler = ClipSampler(clip_dataset, config, causal=True)
    found: list[tuple[int, Clip]] = []
    clip_dataset.batch = lambda clips: found.extend(clips)  # type: ignore[method-assign, assignment]
    for step in range(steps):
        sampler.batch([3], 0, step)
    return found


def test_a_whole_video_has_all_its_queries(clip_dataset: ClipDataset) -> None:
    clip = clip_dataset.whole(0)
    assert (clip.start, clip.stop) == (0, 24)
    batch = clip_dataset.batch([(0, clip), (1, clip_dataset.whole(1))])
    assert batch.features.shape == (2, 24, 6)
    assert len(batch.targets["question"]) == 6
    assert len(batch.targets["next_action"]) == 6  # four segments, of which the first starts too early to be foreseen
    assert batch.asked["question"].rows == (0, 0, 0, 1, 1, 1)
    assert batch.asked["question"].frames[:3] == (5, 13, 23)  # at 1.0, 3.1 and 5.5 s of four frames a second
    assert batch.whole
    assert batch.targets["frame_labels"].shape == (2, 24)


def test_other_processes_see_the_same(clip_dataset: ClipDataset) -> None:
    copy = pickle.loads(pickle.dumps(clip_dataset))
    first, second = (clips.batch([(0, clips.whole(0))]) for clips in (clip_dataset, copy))
    assert torch.equal(first.features, second.features)
    assert all(torch.equal(targets, second.targets[name]) for name, targets in first.targets.items())


def test_queries_of_a_clip_count_from_its_start(clip_dataset: ClipDataset) -> None:
    batch = clip_dataset.batch([(0, clip_dataset.clip(0, 8, 20, [13]))])
    assert batch.features.shape == (1, 12, 6)
    assert batch.asked["question"].frames == (5,)
    assert torch.equal(batch.features[0], clip_dataset.features(0)[8:20])


def test_beyond_memory_only_the_frames_of_clips_are_read(
    toy_world: World, toy_model: VideoReasoner, clip_dataset: ClipDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainConfig(batch_size=4)
    kept = [ClipSampler(clip_dataset, config, causal=True).batch([0, 1, 2, 3], 0, step) for step in range(20)]
    monkeypatch.setattr("vidseq.training.clips.MAX_BYTES_KEPT", 0)
    unkept = make_clip_dataset(*toy_world, "train", toy_model)
    videos = [unkept[index] for index in unkept.videos]  # read whole once, which checks them
    assert all(video.features is None for video in videos)
    monkeypatch.setattr("vidseq.data.examples.check_features", lambda *_: pytest.fail("read whole again"))
    frames, read = unkept.examples.frames, list[int]()
    monkeypatch.setattr(unkept.examples, "frames", lambda *span: read.append(span[2] - span[1]) or frames(*span))
    sampler = ClipSampler(unkept, config, causal=True)
    for step, expected in enumerate(kept):
        read.clear()
        batch = sampler.batch([0, 1, 2, 3], 0, step)
        assert torch.equal(batch.features, expected.features)
        assert sum(read) == int(batch.mask.sum())


def test_context_dropout_draws_lengths_from_one_frame_to_all(clip_dataset: ClipDataset) -> None:
    clips = [clip for _, clip in drawn(clip_dataset, steps=200)]
    lengths = {clip.stop - clip.start for clip in clips}
    assert 1 in lengths
    assert 24 in lengths
    assert len(lengths) > 8
    cuts = set(clip_dataset.cuts(3))
    for clip in clips:
        inside = {cut for cut in cuts if clip.start < cut <= clip.stop}
        assert set(clip.cuts) == inside
        assert clip.cuts


def test_a_step_costs_the_same_whatever_its_length(clip_dataset: ClipDataset) -> None:
    config = TrainConfig(full_context=0.0)
    sampler = ClipSampler(clip_dataset, config, causal=True)
    for step in range(30):
        mask = sampler.batch([0, 1], 0, step).mask
        assert int(mask.sum()) <= 2 * 24


def test_full_context_is_everything(clip_dataset: ClipDataset) -> None:
    assert {(clip.start, clip.stop) for _, clip in drawn(clip_dataset, full_context=1.0)} == {(0, 24)}


def test_a_fixed_context_is_asked_at_its_end_alone(clip_dataset: ClipDataset) -> None:
    for _, clip in drawn(clip_dataset, context_seconds=1.0):
        assert clip.cuts == (clip.stop,)
        assert clip.stop - clip.start == min(4, clip.stop)


def test_too_many_query_times_are_thinned(clip_dataset: ClipDataset) -> None:
    cuts = [clip.cuts for _, clip in drawn(clip_dataset, full_context=1.0, queries_per_clip=2)]
    assert {len(some) for some in cuts} == {2}
    assert len(set(cuts)) > 3


def test_a_long_video_is_cut_to_the_longest_clip(clip_dataset: ClipDataset) -> None:
    clips = [clip for _, clip in drawn(clip_dataset, full_context=1.0, max_clip_seconds=2.0)]
    assert max(clip.stop - clip.start for clip in clips) == 8
    assert len({clip.start for clip in clips}) > 2
    assert all(clip.cuts for clip in clips)


def test_the_longest_clip_shows_no_more_than_a_context_of_its_length(clip_dataset: ClipDataset) -> None:
    """First and last frame are 5.75 s apart, so that a context of 5.75 s lacks the first."""
    clips = [clip for _, clip in drawn(clip_dataset, full_context=1.0, max_clip_seconds=5.75)]
    assert max(clip.stop - clip.start for clip in clips) == 23


def test_one_seed_draws_one_epoch(clip_dataset: ClipDataset) -> None:
    def batch(seed: int, epoch: int, step: int, rank: int = 0) -> Batch:
        return ClipSampler(clip_dataset, TrainConfig(seed=seed), causal=True).batch([0, 1, 2], epoch, step, rank)

    def same(first: Batch, second: Batch) -> bool:
        return first.features.shape == second.features.shape and torch.equal(first.features, second.features)

    steps = range(8)
    assert all(same(batch(0, 0, step), batch(0, 0, step)) for step in steps)
    assert not all(same(batch(0, 0, step), batch(1, 0, step)) for step in steps)
    assert not all(same(batch(0, 0, step), batch(0, 1, step)) for step in steps)
    assert not all(same(batch(0, 0, step), batch(0, 0, step, rank=1)) for step in steps)
    first, second = (
        ClipSampler(clip_dataset, TrainConfig(clips_per_video=2), causal=True).order(epoch) for epoch in (0, 1)
    )
    assert first != second
    assert sorted(first) == sorted([*range(48)] * 2)


def test_frames_alone_can_be_learnt(toy_world: World, toy_config: ModelConfig) -> None:
    for causal in (True, False):
        config = dataclasses.replace(toy_config, tasks={"frame_labels": {}}, causal=causal)
        clip_dataset = make_clip_dataset(*toy_world, "train", VideoReasoner(config))
        sampler = ClipSampler(clip_dataset, TrainConfig(full_context=0.0), causal=causal)
        batches = [sampler.batch([0], 0, step) for step in range(20)]
        lengths = {batch.features.shape[1] for batch in batches}
        assert lengths == {24} if not causal else len(lengths) > 3
        assert all(not batch.asked for batch in batches)


def test_own_next_actions_come_before_derived_ones(toy_world: World, toy_config: ModelConfig) -> None:
    dataset, store = toy_world
    model = VideoReasoner(dataclasses.replace(toy_config, tasks={"next_action": {"anticipation_seconds": 0.5}}))
    times = [
        query.time
        for query in make_clip_dataset(dataset, store, "val", model)[0].queries
        if query.kind == "next_action"
    ]
    assert times == [1.0, 2.5, 4.0]
    own = dataclasses.replace(dataset.queries[0], kind="next_action", answer="wave", question=None, time=2.25)
    asking = Dataset(dataset.folder, dataset.info, dataset.videos, dataset.segments, [own])
    assert len(make_clip_dataset(asking, store, "train", model).videos) == 1


def test_a_fixed_context_counts_from_each_query(toy_world: World, toy_model: VideoReasoner) -> None:
    dataset, store = toy_world
    asked = [query for query in dataset.queries if query.video == "train00"]
    queries = [dataclasses.replace(asked[0], time=time) for time in (2.0, 2.2, 0.7)]
    crowded = Dataset(dataset.folder, dataset.info, dataset.videos, dataset.segments, queries)
    clips = make_clip_dataset(crowded, store, "train", toy_model)
    seconds = [(clip.start, clip.stop) for clip in clips.spans_at(0, 9, 0.6, None)]
    assert seconds == [(6, 9), (7, 9)]  # frames at 1.5, 1.75, 2.0 s for the query at 2.0 s; from 1.6 s on for 2.2 s
    assert [(clip.start, clip.stop) for clip in clips.spans_at(0, 3, 10.0, None)] == [(0, 3)]
    assert [(clip.start, clip.stop) for clip in clips.spans_at(0, 9, np.inf, 2)] == [(7, 9)]
    assert [(clip.start, clip.stop) for clip in clips.spans_at(0, 11, 0.6, None)] == [(8, 11)]  # nothing is asked
    assert Clip(9, 9, ((9, queries[1]),)) in clips.spans_at(0, 9, 0.1, None)  # sees nothing


@pytest.mark.parametrize("tasks", [{"question": {}}, {"question": {}, "frame_labels": {}}])
def test_queries_that_see_nothing_are_learnt_and_scored_blindly(
    toy_world: World, tasks: dict[str, dict], tmp_path: Path
) -> None:
    """As `evaluate` asks them at a context that is shorter than the time since the newest frame."""
    dataset, store = toy_world
    queries = [dataclasses.replace(query, time=query.time + 0.2) for query in dataset.queries]
    late = Dataset(dataset.folder, dataset.info, dataset.videos, dataset.segments, queries)
    config = TrainConfig(context_seconds=0.1, tasks=tasks, epochs=1, dim=8, device="cpu")
    run = fit(late, store, config, tmp_path / "run")
    losses = pd.read_csv(run / "metrics.csv")[["train_loss", "val_question_loss"]]
    assert np.isfinite(losses.to_numpy()).all() and len(losses) == 1
