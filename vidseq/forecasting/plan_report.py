"""Plans in `vidseq evaluate`: of K sequences of coming actions the best counts, beside chains and frequent actions."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vidseq.data.dataset import Dataset
from vidseq.data.held_out import hold_out
from vidseq.data.schema import FUTURE, Query, Segment
from vidseq.data.visible import count_visible, is_visible
from vidseq.errors import UserError
from vidseq.evaluation.rows import Run, write_parquet
from vidseq.features.store import FeatureStore
from vidseq.forecasting.action_plans import ChainPlans, Planner, evaluate_plans, plan_table
from vidseq.forecasting.next_action_tables import HELD_OUT
from vidseq.forecasting.plan_choice import ORDERS, TEMPERATURES, best_setting, model_planner
from vidseq.inference.predictor import Predictor
from vidseq.reporting.tables import to_markdown, write_table
from vidseq.tasks import SequenceTask, of_family

#: Actions of a plan that count.
LENGTH = 20
CHAIN = "chain, drawn"
#: At most about so many moments are asked about to choose a temperature, or a chain.
CHOOSE_BY = 200


class PlanReport:
    """Scores plans by the least edit distance, Ego4D's ED@20; what goes on when a plan begins is its first action.

    The queries are those of the data set for coming actions, or else those that the task derives from segments. The
    temperature of a model is the one that is best on the validation split, 1 without one; the order and temperature of
    the chain are chosen on training groups.

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
                for baseline, planner in _baselines(task, dataset, self._num_plans).items():
                    self._rows.append(evaluate_plans(planner, dataset, queries, length=LENGTH, run=Run(run=baseline)))
            temperature = _temperature(predictor, task, dataset, store, self._num_plans)
            planner = model_planner(predictor, store, self._num_plans, temperature)
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


def _asked(task: SequenceTask, dataset: Dataset, videos: Iterable[str]) -> list[Query]:
    """Some of the queries of videos to choose by, evenly."""
    queries = [query for video in videos for query in _queries(task, dataset, video)]
    return queries[:: math.ceil(len(queries) / CHOOSE_BY) or 1]


def _temperature(
    predictor: Predictor, task: SequenceTask, dataset: Dataset, store: FeatureStore, num_plans: int
) -> float:
    """The temperature that is best on the validation split; 1 without one."""
    held_out = dataset.split("val") if "val" in dataset.info.splits else []
    queries = _asked(task, dataset, [video.video for video in held_out if video.video in store])
    if not queries:
        return 1.0

    def planner(temperature: float) -> Planner:
        return model_planner(predictor, store, num_plans, temperature)

    return best_setting(planner, TEMPERATURES, dataset, queries, LENGTH)[0]


def _baselines(task: SequenceTask, dataset: Dataset, num_plans: int) -> dict[str, Planner]:
    """The last action repeated, the most frequent ones of training, each repeated, and plans drawn from a chain."""
    training = [_labels(dataset, video.video) for video in dataset.split("train")]
    frequent = [[label] for label, _ in Counter(label for part in training for label in part).most_common(num_plans)]

    def last(video: str, times: Sequence[float]) -> list[list[list[str]]]:
        labels, starts = _labels(dataset, video), _starts(dataset, video)
        counts = [count_visible(starts, time) for time in times]
        return [[labels[count - 1 : count]] if count else frequent[:1] for count in counts]

    return {
        "last action": last,
        f"{num_plans} most frequent": lambda video, times: [frequent] * len(times),
        CHAIN: _chain(dataset, num_plans, *_best_chain(task, dataset, num_plans)),
    }


def _best_chain(task: SequenceTask, dataset: Dataset, num_plans: int) -> tuple[int, float]:
    """The order and temperature that are best on training groups held out of a chain's training."""
    usual = (2, 1.0)
    choosing = hold_out(dataset, HELD_OUT)
    queries = _asked(task, choosing, [video.video for video in choosing.split("val")])
    if not queries or not choosing.split("train"):
        return usual
    settings = [usual, *itertools.product(ORDERS, TEMPERATURES)]
    return best_setting(lambda setting: _chain(choosing, num_plans, *setting), settings, choosing, queries, LENGTH)[0]


def _chain(dataset: Dataset, num_plans: int, order: int, temperature: float) -> Planner:
    """Plans of a chain of past labels; what goes on is the first of each."""
    labels = {video: _labels(dataset, video) for video in dataset.videos}
    training = [labels[video.video] for video in dataset.split("train")]
    chain = ChainPlans(training, labels, dataset.action_labels, order)
    drawn = chain.drawn(num_plans, LENGTH, temperature=temperature)

    def plan(video: str, times: Sequence[float]) -> list[list[list[str]]]:
        starts = _starts(dataset, video)
        begun = [count_visible(starts, time) for time in times]
        plans = drawn(video, [count - 1 for count in begun])
        going_on = [_going_on(dataset.segments_of(video)[:count], time) for count, time in zip(begun, times)]
        return [[[*now, *plan] for plan in of_time] for now, of_time in zip(going_on, plans)]

    return plan


def _labels(dataset: Dataset, video: str) -> list[str]:
    return [item.label for item in dataset.segments_of(video)]


def _starts(dataset: Dataset, video: str) -> np.ndarray:
    return np.array([item.start for item in dataset.segments_of(video)])


def _going_on(begun: Sequence[Segment], time: float) -> list[str]:
    return [item.label for item in begun if not is_visible(item.end, time)][-1:]
