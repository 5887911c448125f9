"""Turns the segments of a data set into questions with evidence, as a new data set."""

import dataclasses
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from vidseq.claims import refuse_existing
from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.questions.families import choose_families, possible_answers
from vidseq.data.questions.family import Family
from vidseq.data.questions.settings import FILE as SETTINGS
from vidseq.data.questions.settings import QuestionSettings, write_settings
from vidseq.data.questions.twins import TwinQuestions
from vidseq.data.questions.video_actions import actions_of, ages_of
from vidseq.data.schema import QUESTION, Query, Video
from vidseq.errors import UserError
from vidseq.features.store import FOLDER
from vidseq.files import real_path

#: The name of `SegmentQuestions` in `DatasetInfo.question_source`.
SOURCE = "segments"


def ask_questions(
    data: Dataset | Path | str,
    out: Path | str,
    *,
    families: Sequence[str] = (),
    per_video: int = 40,
    splits: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    seed: int = 0,
) -> Dataset:
    """Makes questions about what has been done, is being done and comes next, from the segments of a data set.

    Questions come in twins (see `vidseq.data.questions.twins`), so that neither words, choices, time nor the present
    action says which of two answers is right. Evidence says which intervals do. The features of the data set serve the
    new one, by a link in its folder.

    Args:
        data: the data set, or its folder.
        out: folder of the new data set: its videos and segments, and the questions in place of its queries.
        families: names of families of questions; none: all that the segments allow.
        per_video: the most questions of a video, shared equally by the families.
        splits: the splits to ask in; none: all.
        leave_out: labels that are no actions, besides the data set's background.
        seed: seed of the random choice.

    Returns:
        the new data set.

    Raises:
        UserError: the folder exists, a family or label is unknown, or the segments allow no question of a family that
            is named, or none at all.
        DataError: a split is unknown.
    """
    dataset = data if isinstance(data, Dataset) else Dataset.load(data)
    chosen = choose_families(families)
    if per_video < 1:
        raise UserError(f"Questions expect per_video of at least 1, got {per_video}.")
    if not _was_stopped(Path(out)):
        refuse_existing(Path(out), "A data set of questions")
    actions = actions_of(dataset, leave_out)
    ages, rng = ages_of(dataset, actions), Random(seed)
    queries = []
    for split in splits or dataset.info.splits:
        durations = {video.video: video.duration for video in dataset.split(split)}
        here = {video: actions[video] for video in durations}
        queries += TwinQuestions(here, durations, chosen, ages, per_video, rng).ask(split)
    _check_found(dataset, chosen if families else (), queries)
    answers = possible_answers(dataset.action_labels, actions.values(), ages)
    # what makes the folder a data set comes last, so that a stop leaves none that lacks the rest
    write_settings(Path(out), QuestionSettings(tuple(family.name for family in chosen), tuple(leave_out)))
    _link_features(dataset.folder, Path(out))
    return _write(dataset, Path(out), queries, answers)


def question_counts(dataset: Dataset, families: Sequence[str] = ()) -> str:
    """Writes how many questions of each family each split has, a line each, and which families have none.

    Args:
        dataset: a data set of `ask_questions`.
        families: the names that it was made with.
    """
    counts = Counter((query.family, dataset.videos[query.video].split) for query in dataset.queries)
    lines: list[str] = []
    none: list[str] = []
    for family in choose_families(families):
        of_split = [f"{split} {counts[family.name, split]}" for split in dataset.info.splits]
        found = any(counts[family.name, split] for split in dataset.info.splits)
        (lines if found else none).append(f"{family.name}: {', '.join(of_split)}" if found else family.name)
    return "\n".join([*lines, *([f"none of: {', '.join(none)}"] if none else [])])


def _check_found(dataset: Dataset, named: Sequence[Family], queries: Sequence[Query]) -> None:
    found = {query.family for query in queries}
    for family in named:
        if family.name not in found:
            raise UserError(
                f"Questions of family '{family.name}' expect {family.needs}, got none in '{dataset.info.name}'. "
                "Leave the family out."
            )
    if not queries:
        raise UserError(
            f"Questions expect segments of two videos of a split that do the same after different pasts, got none in "
            f"'{dataset.info.name}'. Add segments, or videos."
        )


def _write(dataset: Dataset, out: Path, queries: Sequence[Query], answers: tuple[str, ...]) -> Dataset:
    videos = [_moved(video, dataset.folder, out) for video in dataset.videos.values()]
    labels = {"action": dataset.action_labels, "answer": answers}
    tasks = dataset.info.tasks and {**dataset.info.tasks, QUESTION: {}}  # none listed: all that fit are trained
    info = dataclasses.replace(dataset.info, labels=labels, tasks=tasks, question_source=SOURCE)
    return write_dataset(out, info, videos, dataset.segments, queries)


def _was_stopped(out: Path) -> bool:
    """Whether a folder holds no more than what is written before the data set."""
    if not out.is_dir() or ((out / FOLDER).is_dir() and not (out / FOLDER).is_symlink()):
        return False
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    return bool(names) and names <= {SETTINGS, FOLDER}


def _link_features(data: Path, out: Path) -> None:
    """Links the features of a data set; where no links can be made, one line on the error stream says so."""
    features = data / FOLDER
    if not features.is_dir():
        return
    try:
        (out / FOLDER).unlink(missing_ok=True)
        (out / FOLDER).symlink_to(os.path.relpath(real_path(features), real_path(out)))
    except (OSError, ValueError) as error:  # a file system without links, or another drive
        reason = getattr(error, "strerror", None) or error
        print(
            f"vidseq: the features of '{data}' cannot be linked from '{out}' ({reason}). Copy the folder '{features}' "
            "there.",
            file=sys.stderr,
        )


def _moved(video: Video, folder: Path, out: Path) -> Video:
    """A video whose path is relative to the new folder."""
    if video.path is None:
        return video
    return dataclasses.replace(video, path=Path(os.path.relpath(folder / video.path, out)).as_posix())
