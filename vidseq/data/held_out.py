"""Holds out training videos as a validation split, so that nothing is chosen on the test split."""

import dataclasses

from vidseq.data.dataset import Dataset
from vidseq.data.splits import assign_splits


def hold_out(dataset: Dataset, share: float, seed: int = 0) -> Dataset:
    """Returns a data set of the training videos, of which some groups form the split "val"; other splits are removed.

    Args:
        dataset: a data set with a split "train".
        share: share of the training videos to hold out, rounded to whole groups.
        seed: seed of the random choice.
    """
    training = dataset.split("train")
    shares = {"train": 1 - share, "val": share}
    splits = assign_splits([(video.video, dataset.group_of(video.video), None) for video in training], shares, seed)
    videos = {video.video: dataclasses.replace(video, split=splits[video.video]) for video in training}
    return dataclasses.replace(
        dataset,
        info=dataclasses.replace(dataset.info, splits=tuple(dict.fromkeys((*dataset.info.splits, "val")))),
        videos=videos,
        segments=[segment for segment in dataset.segments if segment.video in videos],
        queries=[query for query in dataset.queries if query.video in videos],
    )
