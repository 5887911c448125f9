"""What frame labels have in common, one or many a frame: the annotated segments, their options and a decoder."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.data.dataset import Dataset
from vidseq.data.schema import FRAME_LABEL, Segment
from vidseq.tasks.base import make_options
from vidseq.tasks.dense import DenseTask
from vidseq.tasks.frame_label_options import FrameLabelsOptions


class SegmentLabels(DenseTask):
    """Labels frames with the annotated segments that hold them; `options` say how."""

    name = "frame_labels"
    query_kind = FRAME_LABEL
    label_kind = "action"
    needs = "segments"
    Options = FrameLabelsOptions
    options: FrameLabelsOptions

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.decoder = nn.Sequential(nn.Dropout(dropout), nn.Linear(dim, len(labels)))
        self.register_buffer("class_weights", torch.ones(len(labels)))
        self.class_weights: Tensor

    @classmethod
    def fits(cls, dataset: Dataset) -> bool:
        """Whether there are segments."""
        return bool(dataset.segments)

    @classmethod
    def find_labels(cls, dataset: Dataset, train: Collection[str], options: Mapping[str, object]) -> tuple[str, ...]:
        """The data set's actions; see `Task.find_labels`."""
        labels = super().find_labels(dataset, train, options)
        make_options(cls.name, cls.Options, options).check_ambiguous(labels)
        return labels

    def background(self, dataset: Dataset) -> str | None:
        """The data set's background label, if it has one."""
        return dataset.info.background

    def true_segments(self, dataset: Dataset, video: str, pts_seconds: np.ndarray) -> list[Segment]:
        """The annotated segments, without ambiguous ones; see `DenseTask.true_segments`."""
        return self.options.split_ambiguous(dataset, video)[0]

    def decode(self, y: Tensor) -> Tensor:
        """Class scores of every frame; see `DenseTask.decode`."""
        return self.decoder(y)
