"""Probes by what they see: the question, the time, one frame, or a mean of frames."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.choice_words import ChoiceWords
from vidseq.baselines.control import QUESTIONS, Parameter, read_seconds, write_seconds
from vidseq.baselines.kernel_regression import KernelRegression
from vidseq.baselines.probe import PastProbe, break_ties
from vidseq.data.schema import Query
from vidseq.data.visible import Past, past_of

#: How many frames of the past `BestFrameProbe` looks at, evenly spread.
MAX_FRAMES = 24


@dataclass(frozen=True)
class QuestionOnly(PastProbe):
    """Sees the words of the question. Multiple choice is answered by the words of the choices, see `ChoiceWords`."""

    name = "question_only"
    sees = "the question alone"
    needs = QUESTIONS
    reads_frames = False

    def inputs(self, past: Past, query: Query) -> np.ndarray:
        """Returns no vector, (0, 1)."""
        return np.zeros((0, 1), np.float32)

    def answer(self, data: BaselineData) -> np.ndarray:
        """Returns scores (N, C); those of a query's choices are logits."""
        scores, columns = super().answer(data), data.class_indices()
        training = [query for query in data.training if query.choices]
        if not training:
            return scores
        words = ChoiceWords(training)
        for row, query in enumerate(data.queries):
            if query.choices:
                scores[row, [columns[choice] for choice in query.choices]] = words.scores(query)
        return break_ties(scores, data.queries)


@dataclass(frozen=True)
class TimeOnly(PastProbe):
    """Sees when the query is asked: elapsed time and its logarithm."""

    name = "time_only"
    sees = "the question, and when it is asked"
    reads_frames = False

    def inputs(self, past: Past, query: Query) -> np.ndarray:
        """Returns two vectors of one number, (2, 1)."""
        return np.array([[query.time], [np.log1p(max(0.0, query.time))]], np.float32)


@dataclass(frozen=True)
class LastFrameProbe(PastProbe):
    """Sees the newest frame. The input control `last_frame` asks the evaluated model instead."""

    name = "last_frame_probe"
    sees = "the newest frame"

    def inputs(self, past: Past, query: Query) -> np.ndarray:
        """Returns the newest frame, (1, F)."""
        return np.asarray(past.flat_features[-1:], np.float32)


@dataclass(frozen=True)
class BagOfFrames(PastProbe):
    """Sees the newest frame and the mean of the past, or of its last seconds: what there was, in no order."""

    name = "bag_of_frames"
    parameter = Parameter("how many seconds of the past to average", "4s", read_seconds, write_seconds)

    seconds: float = math.inf

    @property
    def sees(self) -> str:
        """What it may use, in words."""
        if math.isinf(self.seconds):
            return "the newest frame and the mean of all the past, in no order"
        return f"the newest frame and the mean of the last {self.seconds:g} s"

    def inputs(self, past: Past, query: Query) -> np.ndarray:
        """Returns the newest frame and the mean, (2, F)."""
        recent = past_of(past.flat_features, past.pts_seconds, query.time, context_seconds=self.seconds).features
        frames = np.asarray(recent if len(recent) else past.flat_features[-1:], np.float32)
        return np.stack([frames[-1], frames.mean(axis=0)])


@dataclass(frozen=True)
class BestFrameProbe(PastProbe):
    """Sees one frame of the past at a time, and answers with its most confident prediction: no order is used.

    It learns from two random frames of each training query's past. The input control `best_frame` asks the evaluated
    model instead.

    Source: Buch et al., arXiv:2206.01720 (Atemporal Probe), for the idea of one frame out of all. Here: no encoder
    learns to choose the frame; the prediction's score chooses it.
    """

    name = "best_frame_probe"
    sees = "one frame of the past at a time; the most confident answer counts"
    examples_per_query = 2

    def inputs(self, past: Past, query: Query) -> np.ndarray:
        """Returns up to 24 frames, evenly spread from the first to the newest, (frames, F)."""
        count = len(past.features)
        chosen = np.unique(np.linspace(0, count - 1, min(MAX_FRAMES, count)).round().astype(int))
        return np.asarray(past.flat_features[chosen], float)

    def training_inputs(self, data: BaselineData, examples: Sequence[Query]) -> np.ndarray:
        """Returns one random frame of each example's past, (N, 1, F)."""
        generator = np.random.default_rng(0)
        pasts = [data.past(query).flat_features for query in examples]
        return np.stack([np.asarray(features[[generator.integers(len(features))]], np.float32) for features in pasts])

    def predict(self, model: KernelRegression, data: BaselineData, queries: Sequence[Query]) -> np.ndarray:
        """Returns the estimates of each query's most confident frame, (N, C)."""
        best = []
        for query in queries:
            frames = self.inputs(data.past(query), query)
            scores = model.scores([query.question or ""] * len(frames), frames[:, None])
            best.append(scores[scores.max(axis=1).argmax()])
        return np.stack(best)
