"""Plans in `vidseq evaluate`: of K sequences of coming actions the best counts, beside chains and frequent actions."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vidseq.data.dataset import Dataset
from vidseq.data.schema import FUTURE, Query
from vidseq.errors import UserError
from vidseq.evaluation.rows import Run, write_parquet
from vidseq.features.store import FeatureStore
from vidseq.forecasting.action_plans import ChainPlans, Planner, evaluate_plans, plan_table
from vidseq.inference.predictor import Predictor
from vidseq.reporting.tables import to_markdown, write_table
from vidseq.tasks import SequenceTask, of_family

#: Actions of a plan that count, and past labels that chains see.
LENGTH, ORDER = 20, 2
CHAIN = f"chain of {ORDER}, drawn"


class PlanReport:
    """Scores plans by the least edit distance, Ego4D's ED@20; what goes on when a plan begins is its first action.

    The queries are those of the data set for coming actions, or else those that the task derives from segments.

    Args:
        num_plans: the number K of plans of each moment.
    """

    def __init__(self, num_plans: int) -> None:
        if num_plans < 1:
            raise UserError(f"--plans expects a number of plans of at least 1, got {num_plans}.")
        self._num_plans = num_plans
        self._rows: list[pd.DataFrame] = []

    def add(self, predictor: Predictor, dataset: Dataset, store: FeatureStore, split: str, run: Run) -> bool:
        """Scores a model that writes sequences of actions; see `ModelReport.add`."""
        tasks = of_family(predictor.model.tasks.values(), SequenceTask)
        videos = [video.video for video in dataset.split(split) if video.video in store]
        for name, task in tasks.items():
            queries = [query for video in videos for query in _queries(task, dataset, video)]
            if not queries:
                return False
            if not self._rows:
                for baseline, planner in _baselines(dataset, self._num_plans).items():
                    self._rows.append(evaluate_plans(planner, dataset, queries, length=LENGTH, run=Run(run=baseline)))
            planner = _planner(predictor, store, self._num_plans)
            about = Run(run=run.run if len(tasks) == 1 else f"{run.run} {name}", seed=run.seed)
            self._rows.append(evaluate_plans(planner, dataset, queries, length=LENGTH, run=about))
        return bool(tasks)

    def finish(self, out: Path | None) -> list[str]:
        """Writes plans.parquet, a row a moment, and plans.csv; see `ModelReport.finish`."""
        if not self._rows:
            return []
        rows = pd.concat(self._rows, ignore_index=True)
        table = plan_table(rows, CHAIN)
        if out is not None:
            write_parquet(rows, out / "plans.parquet")
            write_table(table, out / "plans.csv")
        title = f"Plans: edit distance to the next {LENGTH} actions, the best of {self._num_plans}; lower is better."
        return [f"{title}\n\n{to_markdown(table)}"]


def _queries(task: SequenceTask, dataset: Dataset, video: str) -> list[Query]:
    own = [query for query in dataset.queries_of(video) if query.kind == FUTURE]
    return own or task.derive_queries(dataset, video)


def _planner(predictor: Predictor, store: FeatureStore, num_plans: int) -> Planner:
    """Draws plans from a model."""

    def plan(video: str, times: Sequence[float]) -> list[list[list[str]]]:
        seen = store.read(video)
        futures = predictor.futures(seen.features, seen.pts_seconds, times, num_futures=num_plans, video=video)
        return [[[label for label, _ in future] for future in of_time] for of_time in futures]

    return plan


def _baselines(dataset: Dataset, num_plans: int) -> dict[str, Planner]:
    """The last action repeated, the most frequent ones of training, each repeated, and plans drawn from a chain."""
    labels = {video: [item.label for item in dataset.segments_of(video)] for video in dataset.videos}
    training = [labels[video.video] for video in dataset.split("train")]
    frequent = [[label] for label, _ in Counter(label for part in training for label in part).most_common(num_plans)]
    drawn = ChainPlans(training, labels, dataset.action_labels, ORDER).drawn(num_plans, LENGTH)
    starts = {video: np.array([item.start for item in dataset.segments_of(video)]) for video in dataset.videos}

    def current(video: str, time: float) -> list[str]:
        return [item.label for item in dataset.segments_of(video) if item.start <= time < item.end][-1:]

    def last(video: str, times: Sequence[float]) -> list[list[list[str]]]:
        counts = [int((starts[video] <= time).sum()) for time in times]
        return [[labels[video][count - 1 : count]] if count else frequent[:1] for count in counts]

    def chain(video: str, times: Sequence[float]) -> list[list[list[str]]]:
        plans = drawn(video, [int((starts[video] <= time).sum()) - 1 for time in times])
        return [[[*current(video, time), *plan] for plan in of_time] for time, of_time in zip(times, plans)]

    return {
        "last action": last,
        f"{num_plans} most frequent": lambda video, times: [frequent] * len(times),
        CHAIN: chain,
    }
