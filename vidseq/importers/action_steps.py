"""Past actions as what a model sees: a frame an action, its features made of the action's labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vidseq.data.action_sequences import derive_action_sequences
from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import Query, Segment
from vidseq.errors import DataError
from vidseq.features.external import external_fingerprint
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore

#: Numbers that follow the labels: how long the action was, and how long after the one before it began, as logarithms
#: of seconds; whether it began before that one had ended.
NUM_TIMES = 3


def write_action_steps(
    out: Path, dataset: Dataset, tellings: Sequence[Dataset], splits: Mapping[str, str] | None = None
) -> Dataset:
    """Writes a data set whose seconds count actions: the k-th action of a video, from 0, fills second k.

    What is seen of it is one frame at second k: its label in each of the tellings as one-hot vectors, and `NUM_TIMES`
    numbers. So a next action asked 1 s ahead is told from the actions before it and nothing else, a context of K
    frames is the last K actions, and everything that works on videos works on labels.

    Args:
        out: the new data set.
        dataset: the actions; what is predicted.
        tellings: the same actions under other labels, such as verbs and nouns; may be the data set itself. None: no
            features are written, for another data set of the same actions has them.
        splits: another name for a split, such as {"val": "test"}.

    Returns:
        the data set, its features beside it.

    Raises:
        DataError: a telling has not the same actions, or a video has none.
    """
    orders = [_in_order(telling) for telling in (dataset, *tellings)]
    for telling, order in zip(tellings, orders[1:]):
        _check_same(dataset, orders[0], telling, order)
    places = [{label: number for number, label in enumerate(telling.action_labels)} for telling in tellings]
    store = FeatureStore.create_in(out, _fingerprint(tellings)) if tellings else None
    videos, segments = [], []
    for video, actions in orders[0].items():
        if store is not None:
            labels = [[columns[a.label] for a in order[video]] for columns, order in zip(places, orders[1:])]
            features = _features(actions, labels, [len(columns) for columns in places])
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


def ask_for_plans(steps: Dataset, length: int) -> Dataset:
    """Asks behind each action what the next ones are, wherever more than `length` of them follow.

    So no plan ends before it is that long, and nothing has to be learnt about ends.

    Args:
        steps: of `write_action_steps`.
        length: how many actions a plan tells.

    Returns:
        a data set, not written, with queries "what happens from now on?" in place of segments: at second k the
        actions to k are seen, and those after it are the answer, `length` and one more.
    """
    queries: list[Query] = []
    for video in steps.videos:
        actions = steps.segments_of(video)
        for number in range(len(actions) - length - 1):
            coming = actions[number + 1 : number + length + 2]
            (query,) = derive_action_sequences(coming, [number + 1.0])
            queries.append(replace(query, time=float(number)))
    info = replace(steps.info, tasks={}, labels={"action": steps.action_labels})
    return replace(steps, info=info, segments=[], queries=queries)


def _in_order(dataset: Dataset) -> dict[str, list[Segment]]:
    """The actions of each video as they begin; of those that begin and end together, as they stand in the file."""
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
    dataset: Dataset, order: dict[str, list[Segment]], telling: Dataset, told: dict[str, list[Segment]]
) -> None:
    times = {video: [(action.start, action.end) for action in actions] for video, actions in order.items()}
    if times != {video: [(action.start, action.end) for action in actions] for video, actions in told.items()}:
        raise DataError(
            f"Action steps expect the actions of '{dataset.info.name}' in every telling, got others in "
            f"{telling.folder}. Convert both from the same source."
        )


def _fingerprint(tellings: Sequence[Dataset]) -> Fingerprint:
    widths = "+".join(str(len(telling.action_labels)) for telling in tellings)
    return external_fingerprint(f"labels-{widths}", 1, precision="external")


def _features(actions: Sequence[Segment], labels: Sequence[Sequence[int]], widths: Sequence[int]) -> np.ndarray:
    """One-hot vectors of the labels in each telling side by side, then the times: (T, D)."""
    hot = [np.eye(width, dtype=np.float32)[list(numbers)] for width, numbers in zip(widths, labels)]
    start = np.array([action.start for action in actions])
    end = np.array([action.end for action in actions])
    gap = np.diff(start, prepend=start[0])
    overlaps = np.concatenate([[False], start[1:] < end[:-1]])
    times = np.stack([np.log1p(end - start), np.log1p(gap), overlaps], axis=1)
    return np.concatenate([*hot, times], axis=1)
