"""Plans: the next actions of a video told as whole sequences, several of them, the best of which counts.

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

#: A video and moments of it, in seconds, to K sequences of labels for each moment.
Planner = Callable[[str, Sequence[float]], Sequence[Sequence[Sequence[str]]]]
#: Distributions that a chain keeps at hand.
_MAX_KEPT = 50_000


def evaluate_plans(
    planner: Planner, dataset: Dataset, queries: Iterable[Query], *, length: int = 20, run: Run = UNNAMED_RUN
) -> pd.DataFrame:
    """Scores plans by `edit_distance_at`.

    Args:
        planner: asked once a video.
        dataset: knows the groups.
        queries: "what happens from now on?", what comes as their answers.
        length: how many actions count, Z.
        run: what to write into the rows.

    Returns:
        one row a query: run, seed, video, group, time, distance (a share: 0 is perfect).
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
    """The mean distance of each run, and how much it is above that of one of them, on the same queries.

    Args:
        rows: of `evaluate_plans`; several runs, seeds are averaged first.
        baseline: the run that the others are compared with.

    Returns:
        the columns by, distance, and the (paired) difference to the baseline, each with a 95% interval over groups.
    """
    wide = rows.pivot_table(index=["group", "video", "time"], columns="run", values="distance", sort=False)
    draws = bootstrap_means(wide.to_numpy(), wide.index.get_level_values("group").to_numpy())
    theirs = wide.columns.tolist().index(baseline)
    lines = []
    for ours, name in enumerate(wide.columns):
        above = "" if ours == theirs else str(_difference(draws, ours, theirs))
        lines.append({"by": name, "distance": str(_difference(draws, ours)), f"minus {baseline}": above})
    return pd.DataFrame(lines)


def _difference(draws: BootstrapSamples, ours: int, theirs: int | None = None) -> Interval:
    """The mean of a column, or how much it is above that of another."""
    return draws.interval(lambda means: means[..., ours] - (0 if theirs is None else means[..., theirs]))


class ChainPlans:
    """What an n-gram chain says goes on and on: each label that it tells is one of those that it looks back at next.

    Args:
        training: the labels of videos in their order.
        past: the labels of the videos that plans are for, by name; second k shows those to the k-th, from 0.
        classes: all labels.
        order: how many past labels count.
    """

    def __init__(
        self, training: Iterable[Sequence[str]], past: Mapping[str, Sequence[str]], classes: Sequence[str], order: int
    ) -> None:
        self._past, self._classes, self._order = past, classes, order
        numbers = {label: number for number, label in enumerate(classes)}
        examples = [
            (labels[max(0, at - order) : at], numbers[labels[at]])
            for labels in training
            for at in range(1, len(labels))
        ]
        chain = LabelChain(examples, order, len(classes))
        self._probabilities = lru_cache(_MAX_KEPT)(chain.probabilities)

    def drawn(self, num_futures: int, length: int, *, temperature: float = 1.0, seed: int = 0) -> Planner:
        """Draws plans.

        Args:
            num_futures: K.
            length: actions in each.
            temperature: probabilities are raised to the power of 1 / temperature; 0: the likeliest label always comes.
            seed: of the dice, for each video anew.
        """

        @lru_cache(_MAX_KEPT)
        def bounds(last: tuple[str, ...]) -> np.ndarray:
            """Where the share of each class ends, (C,)."""
            shares = self._probabilities(last)
            if temperature == 0:
                return (np.arange(len(shares)) >= shares.argmax()).astype(float)
            shares = (shares / shares.max()) ** (1 / temperature)
            return shares.cumsum() / shares.sum()

        def future(past: Sequence[str], dice: np.random.Generator) -> list[str]:
            labels = list(past[-self._order :])
            for place in dice.random(length):
                number = bounds(tuple(labels[-self._order :])).searchsorted(place, side="right")
                labels.append(self._classes[min(int(number), len(self._classes) - 1)])
            return labels[-length:]

        def plan(video: str, times: Sequence[float]) -> list[list[list[str]]]:
            dice = np.random.default_rng(seed)
            pasts = [self._past[video][: int(time) + 1] for time in times]
            return [[future(past, dice) for _ in range(num_futures)] for past in pasts]

        return plan
