"""Probes that answer questions from the true labels of past actions: what perfect perception is worth, and order."""

from dataclasses import dataclass

import numpy as np

from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.control import PAST_LABELS_AND_QUESTIONS, Parameter, read_count
from vidseq.baselines.probe import Probe
from vidseq.data.schema import QUESTION, Query


@dataclass(frozen=True)
class LabelBagProbe(Probe):
    """Sees how often each action has begun, and the last one. For next actions there is `bag_of_labels`."""

    name = "label_bag_probe"
    sees = "the question, the labels of all past actions, in no order, and the last of them"
    needs = PAST_LABELS_AND_QUESTIONS
    kinds = (QUESTION,)
    reads_frames = False

    def inputs_of(self, data: BaselineData, query: Query) -> np.ndarray:
        """Returns the counts of the labels, and the last label, (2, number of labels)."""
        one_hot = one_hot_labels(data, data.labels_before(query))
        return np.stack([one_hot.sum(axis=0), one_hot[-1:].sum(axis=0)])


@dataclass(frozen=True)
class LabelChainProbe(Probe):
    """Sees the last few actions in order. For next actions there is `ngram`."""

    name = "label_chain_probe"
    needs = PAST_LABELS_AND_QUESTIONS
    kinds = (QUESTION,)
    reads_frames = False
    parameter = Parameter("how many labels to look back", "2", read_count, str)

    order: int = 3

    @property
    def sees(self) -> str:
        """What it may use, in words."""
        return f"the question, and the labels of the last {self.order} actions, in order"

    def inputs_of(self, data: BaselineData, query: Query) -> np.ndarray:
        """Returns the last labels, the newest first, zeros before the first, (order, number of labels)."""
        inputs = np.zeros((self.order, len(data.label_indices)))
        newest = one_hot_labels(data, data.labels_before(query)[: -self.order - 1 : -1])
        inputs[: len(newest)] = newest
        return inputs


def one_hot_labels(data: BaselineData, labels: list[str]) -> np.ndarray:
    """Returns a row for each label, (number of actions, number of labels)."""
    return np.eye(len(data.label_indices))[[data.label_indices[label] for label in labels]]
