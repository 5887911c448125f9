"""Writes a classroom data set: plans each video and its queries, and renders it."""

import dataclasses
import functools
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.claims import claim_folder
from vidseq.classroom.actions import ACTIONS
from vidseq.classroom.answers import MAX_COUNT, UNKNOWN
from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.next_actions import make_next_actions
from vidseq.classroom.pairs import pair_up
from vidseq.classroom.palette import GIFTS, PROGRAMMES, SYMBOLS, TOYS
from vidseq.classroom.plan import SPLITS, draw_world, twin
from vidseq.classroom.queries import PlannedQuery, make_questions
from vidseq.classroom.render import render
from vidseq.classroom.scripts import ACTIVITIES, ANTICIPATION_SECONDS
from vidseq.classroom.staging import scene_at
from vidseq.classroom.symbolic import SYMBOLIC_VERSION, SymbolicEncoder
from vidseq.classroom.wording import answer_sentence
from vidseq.classroom.world import World
from vidseq.data.dataset import write_dataset
from vidseq.data.schema import QUESTION, DatasetInfo, Query, Segment, Video
from vidseq.errors import UserError
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore
from vidseq.processes import all_values, run_jobs
from vidseq.progress import progress
from vidseq.video.writer import VideoWriter

#: Increased when the same configuration yields another world.
CLASSROOM_VERSION = 1


@dataclass(frozen=True)
class PlannedVideo:
    """A planned video with its queries."""

    world: World
    queries: tuple[PlannedQuery, ...]


def generate(out: Path | str, config: ClassroomConfig, workers: int = 1) -> Path:
    """Generates a classroom data set in a folder; it can be stopped at any time and continued.

    The same configuration gives the same files, with any number of workers.

    Args:
        out: the folder; new, empty, or begun with the same configuration.
        config: what to generate.
        workers: parallel processes.

    Returns:
        the folder.

    Raises:
        UserError: the folder holds other files or another configuration, no split has a video, or `workers` is below
            1.
    """
    if workers < 1:
        raise UserError(f"A classroom expects at least 1 worker, got {workers}.")
    if not any(config.videos_of(split) for split in SPLITS):
        raise UserError("A classroom expects at least 1 video, got 0 in all splits.")
    out = Path(out)
    claim_folder(out, "classroom", {"version": CLASSROOM_VERSION, **dataclasses.asdict(config)})
    if config.observations == "symbolic":
        FeatureStore.create_in(out, symbolic_fingerprint(config))
    tasks = [(split, index) for split in SPLITS for index in range(_num_originals(config, split))]
    made = _make_all(out, config, tasks, workers)
    videos = [planned for task in tasks for planned in made[task]]
    write_dataset(
        out,
        dataset_info(config),
        [_video(planned.world, config) for planned in videos],
        [segment for planned in videos for segment in segments_of(planned.world)],
        [_query(item, config) for planned in videos for item in planned.queries],
    )
    return out


def plan_videos(config: ClassroomConfig, split: str, index: int) -> list[PlannedVideo]:
    """Plans one video, and its twin if it has one, without rendering."""
    world = draw_world(config, split, index)
    rng = np.random.default_rng([config.seed, SPLITS.index(split), index, 1])
    queries = make_questions(world, config, rng)
    following = make_next_actions(world, config, rng) if "next_action" in config.families else []
    if index >= _num_twins(config, split):
        return [PlannedVideo(world, (*queries, *following))]
    other = twin(world, config)
    queries, mirrored = pair_up(world, other, queries)
    return [PlannedVideo(world, (*queries, *following)), PlannedVideo(other, tuple(mirrored))]


def _query(planned: PlannedQuery, config: ClassroomConfig) -> Query:
    """Returns a query with its answer in the configured form."""
    if config.answers == "words" or planned.query.kind != QUESTION:
        return planned.query
    return dataclasses.replace(planned.query, answer=answer_sentence(planned.question, planned.query.answer))


def dataset_info(config: ClassroomConfig) -> DatasetInfo:
    """Makes the header of a configuration's data set."""
    counts = tuple(str(count) for count in range(MAX_COUNT + 1))
    in_words = config.answers == "words"
    answers = (UNKNOWN, *config.names, *config.colors, *SYMBOLS, *PROGRAMMES, *TOYS, *GIFTS, *counts, *ACTIVITIES)
    return DatasetInfo(
        name="classroom",
        version=str(CLASSROOM_VERSION),
        fps=Fraction(config.feature_fps),
        tasks={
            "next_action": {"anticipation_seconds": ANTICIPATION_SECONDS},
            "question" if in_words else "answer_words": {},
        },
        labels={"action": tuple(ACTIONS), **({"answer": answers} if in_words else {})},
        splits=SPLITS,
        licence="CC0-1.0",
        source=f"generated by vidseq, seed {config.seed}",
        observations=config.observations,
        question_source="classroom",
    )


def symbolic_fingerprint(config: ClassroomConfig) -> Fingerprint:
    """Makes the fingerprint of symbolic observations, which no CNN made."""
    return Fingerprint(
        backbone="symbolic",
        weights=f"noise-{config.symbolic_noise:g}",
        input_size=0,
        resize="external",
        fps=str(config.feature_fps),
        engine="external",
        version=SYMBOLIC_VERSION,
    )


def segments_of(world: World) -> list[Segment]:
    """Returns the activities of all children, one track each; walking to a zone belongs to the activity there."""
    return [
        Segment(video=world.video, start=step.start, end=step.end, label=step.action, track=child.child)
        for child in world.children
        for step in child.steps
    ]


def render_video(world: World, path: Path, config: ClassroomConfig, until: float | None = None) -> None:
    """Renders a world to a video file.

    Args:
        world: the world.
        path: the file.
        config: size and frame rate.
        until: seconds at which the file ends; None: the end of the video.
    """
    frames = round((world.seconds if until is None else until) * config.fps)
    with VideoWriter(path, fps=config.fps) as writer:
        for frame in range(frames):
            writer.write(render(scene_at(world, frame / config.fps), config.width, config.height))


def _make_all(
    out: Path, config: ClassroomConfig, tasks: list[tuple[str, int]], workers: int
) -> dict[tuple[str, int], list[PlannedVideo]]:
    jobs = {f"{split} {index}": (split, index) for split, index in tasks}
    results = run_jobs(functools.partial(_make, out, config), jobs, workers)
    made = all_values(progress(results, total=len(jobs), what="classroom", unit="video"), "A classroom")
    return {jobs[name]: videos for name, videos in made.items()}


def _make(out: Path, config: ClassroomConfig, task: tuple[str, int]) -> list[PlannedVideo]:
    videos = plan_videos(config, *task)
    for planned in videos:
        if config.observations == "symbolic":
            _write_symbolic(out, config, planned.world)
        elif not (path := out / _path(planned.world)).exists():
            render_video(planned.world, path, config)
    return videos


def _write_symbolic(out: Path, config: ClassroomConfig, world: World) -> None:
    store = FeatureStore.open_in(out, symbolic_fingerprint(config))
    if world.video not in store:
        rng = np.random.default_rng([config.seed, SPLITS.index(world.split), world.layout_seed, 2])
        store.write(world.video, *SymbolicEncoder(config).frames(world, rng), source={"observations": "symbolic"})


def _path(world: World) -> str:
    return f"videos/{world.video}.mp4"


def _video(world: World, config: ClassroomConfig) -> Video:
    pixels = config.observations == "video"
    return Video(
        video=world.video,
        split=world.split,
        duration=world.seconds,
        fps=Fraction(config.fps) if pixels else None,
        path=_path(world) if pixels else None,
        group=world.video.removesuffix("_twin"),
    )


def _num_twins(config: ClassroomConfig, split: str) -> int:
    return round(config.videos_of(split) * config.pair_fraction / 2)


def _num_originals(config: ClassroomConfig, split: str) -> int:
    return config.videos_of(split) - _num_twins(config, split)
