"""Chooses what plans are drawn with, on videos that are held out of training, by their edit distance."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.features.store import FeatureStore
from vidseq.forecasting.action_plans import Planner, evaluate_plans
from vidseq.inference.predictor import Predictor

#: The values that are tried: temperatures of what is drawn, and orders of chains.
TEMPERATURES, ORDERS = (0.25, 0.5, 0.75, 1.0), (1, 2, 3, 4, 8)
Setting = TypeVar("Setting")


def best_setting(
    planner: Callable[[Setting], Planner],
    settings: Iterable[Setting],
    dataset: Dataset,
    queries: Sequence[Query],
    length: int,
) -> tuple[Setting, Mapping[Setting, float]]:
    """Finds the setting whose plans have the least distance; of equal ones the first.

    Args:
        planner: makes a planner of a setting.
        settings: those to try; at least one.
        dataset: the groups of the videos.
        queries: about held-out videos; at least one.
        length: see `evaluate_plans`.

    Returns:
        the best setting, and the distance of each.
    """
    distances = {
        setting: float(evaluate_plans(planner(setting), dataset, queries, length=length)["distance"].mean())
        for setting in settings
    }
    return min(distances, key=lambda setting: distances[setting]), distances


def model_planner(predictor: Predictor, store: FeatureStore, num_plans: int, temperature: float = 1.0) -> Planner:
    """A planner that draws plans from a model.

    Args:
        predictor: a model that writes sequences of actions.
        store: the features.
        num_plans: number of plans K.
        temperature: see `Predictor.futures`; 0: the most probable action at each step.
    """

    def plan(video: str, times: Sequence[float]) -> list[list[list[str]]]:
        seen = store.read(video)
        futures = predictor.futures(
            seen.features, seen.pts_seconds, times, num_futures=num_plans, temperature=temperature, video=video
        )
        return [[[label for label, _ in future] for future in of_time] for of_time in futures]

    return plan
