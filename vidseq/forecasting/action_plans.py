"""Action plans: several forecasts of the next actions of a video as whole sequences, of which the best one counts.

Source: Grauman et al., arXiv:2110.07058, appendix on long-term anticipation (edit distance at Z = 20, K = 5).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from vidseq.baselines.chain import LabelChain
from vidseq.data.action_sequences import read_future
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.evaluation.intervals import BootstrapSamples, Interval, bootstrap_means
from vidseq.evaluation.rows import UNNAMED_RUN, Run
from vidseq.forecasting.long_term import edit_distance_at

#: Maps a video's name and times in it, in seconds, to K sequences of labels for each time.
Planner = Callable[[str, Sequence[float]], Sequence[Sequence[Sequence[str]]]]
#: Number of distributions that a chain caches.
_MAX_KEPT = 50_000


def evaluate_plans(
    planner: Planner, dataset: Dataset, queries: Iterable[Query], *, length: int = 20, run: Run = UNNAMED_RUN
) -> pd.DataFrame:
    """Scores plans by `edit_distance_at`.

    Args:
        planner: called once per video.
        dataset: the groups of the videos.
        queries: queries whose answers are the sequences of future actions.
        length: number of actions that count, Z.
        run: the model's entries in the rows.

    Returns:
        one row per query: run, seed, video, group, time, distance (a fraction: 0 is perfect).
    """
    of_video: dict[str, list[Query]] = {}
    for query in queries:
        of_video.setdefault(query.video, []).append(query)
    rows = []
    for video, asked in of_video.items():
        plans = planner(video, [query.time for query in asked])
        about = {"run": run.run, "seed": run.seed, "video": video, "group": dataset.group_of(video)}
        for query, futures in zip(asked, plans, strict=True):
            coming = [label for label, _ in read_future(query.answer)]
            rows.append({**about, "time": query.time, "distance": edit_distance_at(futures, coming, length=length)})
    return pd.DataFrame(rows)


def plan_table(rows: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Computes the mean distance of each run, and its paired difference from a baseline's.

    Args:
        rows: rows of `evaluate_plans`; several runs, whose seeds are averaged first.
        baseline: the run that the others are compared with.

    Returns:
        the columns by, distance, and the difference from the baseline, each with a 95% interval over groups.
    """
    wide = rows.pivot_table(index=["group", "video", "time"], columns="run", values="distance", sort=False)
    bootstrap = bootstrap_means(wide.to_numpy(), wide.index.get_level_values("group").to_numpy())
    reference = wide.columns.tolist().index(baseline)
    lines = []
    for column, name in enumerate(wide.columns):
        above = "" if column == reference else str(_difference(bootstrap, column, reference))
        lines.append({"by": name, "distance": str(_difference(bootstrap, column)), f"minus {baseline}": above})
    return pd.DataFrame(lines)


def _difference(bootstrap: BootstrapSamples, column: int, reference: int | None = None) -> Interval:
    """Returns the mean of a column, or its difference from that of a reference column."""
    return bootstrap.interval(lambda means: means[..., column] - (0 if reference is None else means[..., reference]))


class ChainPlans:
    """Forecasts sequences with an n-gram chain, which takes its own forecasts as the next past labels.

    Args:
        training: the labels of each training video in their order.
        past: the labels of each video to forecast, by name; at second k the labels 0 to k are visible.
        classes: all labels.
        order: number of past labels that the chain uses.
    """

    def __init__(
        self, training: Iterable[Sequence[str]], past: Mapping[str, Sequence[str]], classes: Sequence[str], order: int
    ) -> None:
        self._past, self._classes, self._order = past, classes, order
        index_of = {label: index for index, label in enumerate(classes)}
        examples = [
            (labels[max(0, at - order) : at], index_of[labels[at]])
            for labels in training
            for at in range(1, len(labels))
        ]
        chain = LabelChain(examples, order, len(classes))
        self._probabilities = lru_cache(_MAX_KEPT)(chain.probabilities)

    def drawn(self, num_futures: int, length: int, *, temperature: float = 1.0, seed: int = 0) -> Planner:
        """Returns a planner that draws plans at random.

        Args:
            num_futures: number of plans K.
            length: number of actions in each plan.
            temperature: probabilities are raised to the power 1 / temperature; 0: the most probable label is taken.
            seed: seed of the random generator, which restarts for each video.
        """

        @lru_cache(_MAX_KEPT)
        def bounds(last: tuple[str, ...]) -> np.ndarray:
            """Returns the cumulative probabilities of the classes, (C,)."""
            shares = self._probabilities(last)
            if temperature == 0:
                return (np.arange(len(shares)) >= shares.argmax()).astype(float)
            shares = (shares / shares.max()) ** (1 / temperature)
            return shares.cumsum() / shares.sum()

        def future(past: Sequence[str], generator: np.random.Generator) -> list[str]:
            labels = list(past[-self._order :])
            for draw in generator.random(length):
                index = bounds(tuple(labels[-self._order :])).searchsorted(draw, side="right")
                labels.append(self._classes[min(int(index), len(self._classes) - 1)])
            return labels[-length:]

        def plan(video: str, times: Sequence[float]) -> list[list[list[str]]]:
            generator = np.random.default_rng(seed)
            pasts = [self._past[video][: int(time) + 1] for time in times]
            return [[future(past, generator) for _ in range(num_futures)] for past in pasts]

        return plan
