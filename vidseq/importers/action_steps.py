"""Data sets whose frames are actions: one frame an action, with features made of the action's labels."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vidseq.claims import refuse_existing
from vidseq.data.action_sequences import derive_action_sequences
from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.fields import listing
from vidseq.data.schema import Query, Segment
from vidseq.data.words import count
from vidseq.errors import DataError
from vidseq.features.external import external_fingerprint
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore

#: The numbers after the labels: log duration, log time since the last action began, and whether the two overlap.
NUM_TIMES = 3


def write_action_steps(
    out: Path, dataset: Dataset, observed: Sequence[Dataset], splits: Mapping[str, str] | None = None
) -> Dataset:
    """Writes a data set whose seconds count actions: the k-th action of a video, from 0, fills second k.

    Its one frame is at second k: one-hot vectors of the action's label in each of `observed`, and `NUM_TIMES` numbers.
    So a next action, asked 1 s ahead, is predicted from the actions before it alone, and a context of K frames is the
    last K actions.

    Args:
        out: the new data set.
        dataset: the actions to predict.
        observed: the same actions under the labels that the model sees, such as verbs and nouns; may be the data set
            itself. Empty: no features are written, because another data set of the same actions has them.
        splits: new names of splits, such as {"val": "test"}.

    Returns:
        the data set; its features are in its folder.

    Raises:
        DataError: a data set in `observed` has other actions, or a video has no action.
    """
    orders = [_in_order(labelled) for labelled in (dataset, *observed)]
    for labelled, order in zip(observed, orders[1:]):
        _check_same(dataset, orders[0], labelled, order)
    indices = [{label: index for index, label in enumerate(labelled.action_labels)} for labelled in observed]
    store = FeatureStore.create_in(out, _fingerprint(observed)) if observed else None
    videos, segments = [], []
    for video, actions in orders[0].items():
        if store is not None:
            labels = [[columns[a.label] for a in order[video]] for columns, order in zip(indices, orders[1:])]
            features = _features(actions, labels, [len(columns) for columns in indices])
            store.write(video, features, np.arange(len(actions)))
        known = dataset.videos[video]
        split = (splits or {}).get(known.split, known.split)
        videos.append(replace(known, split=split, duration=float(len(actions)), fps=None, path=None))
        segments += [replace(action, start=float(k), end=k + 1.0) for k, action in enumerate(actions)]
    info = replace(
        dataset.info,
        fps=None,
        tasks={"next_action": {"anticipation_seconds": 1.0}},
        labels={"action": dataset.action_labels},
        observations="symbolic",
    )
    return write_dataset(out, info, videos, segments)


def make_action_steps(data: Path, out: Path, observed: Sequence[Path] = ()) -> str:
    """Runs `vidseq data steps`: see `write_action_steps`; videos without an action are left out.

    Args:
        data: folder of the data set whose actions are predicted.
        out: folder of the new data set.
        observed: folders of data sets with the same actions under the labels that a model sees; none: those of `data`.

    Returns:
        what was written, in lines.

    Raises:
        UserError: the folder is there.
        DataError: there is no action, or `observed` has others.
    """
    refuse_existing(out, "A data set of action steps")
    dataset = Dataset.load(data)
    others = [Dataset.load(folder) for folder in observed]
    acting = {item.video for item in dataset.segments if item.label != dataset.info.background}
    if not acting:
        raise DataError(f"A data set of action steps expects segments, got none in '{dataset.info.name}'.")
    parts = [_of_videos(part, acting) for part in (dataset, *others)]
    made = write_action_steps(out, parts[0], parts[1:] or parts[:1])
    idle = [video for video in dataset.videos if video not in acting]
    lines = [f"left out, without an action: {listing(idle, 5)}"] if idle else []
    done = f"{out}: {count(len(made.segments), 'action')} of {count(len(made.videos), 'video')}, a second each."
    return "\n".join([*lines, f"{done} Next: vidseq train --data {out} --tasks '{{next_action: {{}}}}'"])


def _of_videos(dataset: Dataset, names: Container[str]) -> Dataset:
    videos = {name: video for name, video in dataset.videos.items() if name in names}
    return replace(dataset, videos=videos, segments=[item for item in dataset.segments if item.video in names])


def ask_for_plans(steps: Dataset, length: int) -> Dataset:
    """Asks after each action for the next ones, if more than `length` follow.

    So every plan has that length, and a model need not learn where plans end.

    Args:
        steps: a data set of `write_action_steps`.
        length: the number of actions of a plan.

    Returns:
        a data set, not written, with queries for the future in place of segments: at second k a model has seen the
        actions up to k, and the answer is the next `length` actions and one more.
    """
    queries: list[Query] = []
    for video in steps.videos:
        actions = steps.segments_of(video)
        for index in range(len(actions) - length - 1):
            coming = actions[index + 1 : index + length + 2]
            (query,) = derive_action_sequences(coming, [index + 1.0])
            queries.append(replace(query, time=float(index)))
    info = replace(steps.info, tasks={}, labels={"action": steps.action_labels})
    return replace(steps, info=info, segments=[], queries=queries)


def _in_order(dataset: Dataset) -> dict[str, list[Segment]]:
    """Sorts the actions of each video by start and end; equal ones keep the order of the file."""
    order: dict[str, list[Segment]] = {video: [] for video in dataset.videos}
    for segment in dataset.segments:
        if segment.label != dataset.info.background:
            order[segment.video].append(segment)
    for video, actions in order.items():
        if not actions:
            raise DataError(f"A data set of action steps expects actions in every video, got none in '{video}'.")
        actions.sort(key=lambda action: (action.start, action.end))
    return order


def _check_same(
    dataset: Dataset, order: dict[str, list[Segment]], labelled: Dataset, other: dict[str, list[Segment]]
) -> None:
    times = {video: [(action.start, action.end) for action in actions] for video, actions in order.items()}
    if times != {video: [(action.start, action.end) for action in actions] for video, actions in other.items()}:
        raise DataError(
            f"Action steps expect the actions of '{dataset.info.name}' in every input, got others in "
            f"{labelled.folder}. Convert both from the same source."
        )


def _fingerprint(observed: Sequence[Dataset]) -> Fingerprint:
    widths = "+".join(str(len(labelled.action_labels)) for labelled in observed)
    return external_fingerprint(f"labels-{widths}", 1, precision="external")


def _features(actions: Sequence[Segment], labels: Sequence[Sequence[int]], widths: Sequence[int]) -> np.ndarray:
    """Returns the one-hot vectors of the labels, then the numbers of `NUM_TIMES`: (T, D)."""
    hot = [np.eye(width, dtype=np.float32)[list(indices)] for width, indices in zip(widths, labels)]
    start = np.array([action.start for action in actions])
    end = np.array([action.end for action in actions])
    gap = np.diff(start, prepend=start[0])
    overlaps = np.concatenate([[False], start[1:] < end[:-1]])
    times = np.stack([np.log1p(end - start), np.log1p(gap), overlaps], axis=1)
    return np.concatenate([*hot, times], axis=1)
