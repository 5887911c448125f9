"""Questions that are drawn at each step."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from vidseq.classroom import ClassroomConfig, generate
from vidseq.data.dataset import Dataset
from vidseq.data.visible import count_visible
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.training import TrainConfig, fit
from vidseq.training.build import build_model
from vidseq.training.clip_sampler import ClipSampler
from vidseq.training.clips import Clip, make_clip_dataset
from vidseq.training.losses import TrainingObjective
from vidseq.training.question_sources import open_question_source

World = tuple[Dataset, FeatureStore]
CONFIG = TrainConfig(dim=8, head="gru", epochs=2, batch_size=3, queries_per_clip=4, drawn_questions=3, device="cpu")


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> World:
    config = ClassroomConfig(train_videos=5, val_videos=2, test_videos=0, seconds=30, observations="symbolic")
    dataset = Dataset.load(generate(tmp_path_factory.mktemp("classroom"), config))
    return dataset, FeatureStore.open_in(dataset.folder)


def clips_of(world: World, config: TrainConfig, *steps: int) -> list[tuple[int, Clip]]:
    """The clips of three videos at some steps of the first epoch."""
    source = open_question_source(world[0])
    clip_dataset = make_clip_dataset(*world, "train", build_model(*world, config, source), source)
    found: list[tuple[int, Clip]] = []
    clip_dataset.batch = lambda clips: found.extend(clips)  # type: ignore[method-assign, assignment]
    sampler = ClipSampler(clip_dataset, config, causal=True)
    for step in steps:
        sampler.batch([0, 1, 2], 0, step)
    return found


@pytest.mark.parametrize("options", [{}, {"full_context": 0.0}, {"context_seconds": 3.0}, {"max_clip_seconds": 8.0}])
def test_drawn_queries_see_what_their_times_allow(classroom: World, options: dict[str, float]) -> None:
    dataset, store = classroom
    config = dataclasses.replace(CONFIG, **options)
    listed, new = set(dataset.queries), 0
    for index, clip in clips_of(classroom, config, *range(6)):
        video = dataset.split("train")[index].video
        times = store.read(video).pts_seconds
        for cut, query in clip.asked:
            new += query not in listed
            assert query.video == video and clip.start <= cut <= clip.stop
            assert count_visible(times, query.time) == cut
            if "context_seconds" in options:
                assert clip.start == np.searchsorted(times, query.time - 3.0 + 5e-4, side="right")
    assert new > 100


def test_clips_grow_in_the_warm_up(classroom: World) -> None:
    source = open_question_source(classroom[0])
    config = dataclasses.replace(CONFIG, epochs=10, context_warmup=0.5, full_context=1.0, drawn_questions=0)
    clip_dataset = make_clip_dataset(*classroom, "train", build_model(*classroom, config, source), source)
    sampler, shares = ClipSampler(clip_dataset, config, causal=True), []
    length = max(len(clip_dataset[index]) for index in clip_dataset.videos)
    for epoch in (0, 2, 5, 9):
        batches = [sampler.batch([0, 1, 2], epoch, step) for step in range(20)]
        shares.append(sum(batch.features.shape[:2] == (3, length) for batch in batches) / len(batches))
    assert shares[0] < 0.3 and 0.1 < shares[1] < 0.8 and shares[2:] == [1.0, 1.0]


def test_glances_are_single_frames_of_many_videos(classroom: World) -> None:
    source = open_question_source(classroom[0])
    config = dataclasses.replace(CONFIG, glances=20, batch_size=2)
    clip_dataset = make_clip_dataset(*classroom, "train", build_model(*classroom, config, source), source)
    sampler = ClipSampler(clip_dataset, config, causal=True)
    batch = sampler.glances(0, 0)
    assert batch is not None and batch.features.shape[:2] == (40, 1) and len(set(batch.videos)) == 5
    assert all(set(asked.frames) == {1} for asked in batch.asked.values()) and len(batch.asked) == 2
    again, other = sampler.glances(0, 0), sampler.glances(0, 1)
    assert again is not None and other is not None
    assert torch.equal(batch.features, again.features) and not torch.equal(batch.features, other.features)
    for options in ({"glances": 0}, {"drawn_questions": 0}, {"context_seconds": 1.0}):
        assert ClipSampler(clip_dataset, dataclasses.replace(config, **options), causal=True).glances(0, 0) is None
    labels = dataclasses.replace(config, tasks={"frame_labels": {}})
    silent = make_clip_dataset(*classroom, "train", build_model(*classroom, labels, source), source)
    assert ClipSampler(silent, labels, causal=True).glances(0, 0) is None  # no task of the model is asked anything
    listed = make_clip_dataset(*classroom, "train", build_model(*classroom, config))
    assert ClipSampler(listed, config, causal=True).glances(0, 0) is None


def test_glances_add_their_loss_and_no_frame_labels(classroom: World) -> None:
    source = open_question_source(classroom[0])
    config = dataclasses.replace(CONFIG, tasks={"frame_labels": {}, "question": {}})
    model = build_model(*classroom, config, source).eval()
    clip_dataset = make_clip_dataset(*classroom, "train", model, source)
    sampler, objective = ClipSampler(clip_dataset, config, causal=True), TrainingObjective(model, config)
    batch, glances = sampler.batch([0, 1], 0, 0), sampler.glances(0, 0)
    assert glances is not None and set(glances.targets) == {"question"} and not glances.whole
    torch.testing.assert_close(objective(batch, glances), objective(batch) + objective(glances))


def test_a_step_draws_the_same_again_and_another_step_does_not(classroom: World) -> None:
    assert clips_of(classroom, CONFIG, 0) == clips_of(classroom, CONFIG, 0) != clips_of(classroom, CONFIG, 1)


def test_without_drawing_listed_queries_remain(classroom: World) -> None:
    config = dataclasses.replace(CONFIG, drawn_questions=0)
    listed = set(classroom[0].queries)
    assert all(query in listed for _, clip in clips_of(classroom, config, 0) for _, query in clip.asked)


def test_a_video_without_listed_queries_teaches(classroom: World, tmp_path: Path) -> None:
    dataset, store = classroom
    silent = dataclasses.replace(dataset, queries=[q for q in dataset.queries if q.video.startswith("val")])
    run = fit(silent, store, CONFIG, tmp_path / "run")
    assert (run / "checkpoints" / "best").is_dir()


def test_an_unknown_source_is_told(classroom: World) -> None:
    dataset = classroom[0]
    info = dataclasses.replace(dataset.info, question_source="clasroom")
    with pytest.raises(UserError, match=r"question_source of dataset\.json.*clasroom.*classroom"):
        open_question_source(dataclasses.replace(dataset, info=info))


def test_a_model_knows_which_tasks_always_had_a_text(classroom: World, toy_world: World) -> None:
    model = build_model(*classroom, CONFIG, open_question_source(classroom[0]))
    assert set(model.config.asked_in_words) == {"question", "next_action"}
    assert model.find_task("next_action").asked_in_words
    model = build_model(*toy_world, CONFIG)  # its next actions are made from segments
    assert model.config.asked_in_words == ("question",)
    assert not model.find_task("next_action").asked_in_words
