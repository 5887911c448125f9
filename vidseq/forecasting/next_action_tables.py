"""Compares next-action forecasts with n-gram chains of past labels, one of which is chosen on training data."""

import warnings
from collections.abc import Mapping, Sequence

import pandas as pd

from vidseq.data.dataset import Dataset
from vidseq.data.held_out import hold_out
from vidseq.data.query_set import QuerySet
from vidseq.data.schema import Query
from vidseq.evaluation.class_means import class_mean_recall_interval
from vidseq.evaluation.evaluator import answer_baselines, queries_of_split
from vidseq.evaluation.intervals import FewGroupsWarning, accuracy_interval, paired_difference
from vidseq.evaluation.rows import UNNAMED_RUN
from vidseq.features.store import FeatureStore

#: Share of the training groups that is held out to choose the chain.
HELD_OUT = 0.15


def next_actions_of(dataset: Dataset, split: str, anticipation_seconds: float = 1.0) -> list[Query]:
    """Returns the next actions of a split's videos; errors as in `queries_of_split`."""
    return queries_of_split(dataset, split, dataset.next_action_queries(anticipation_seconds))


def best_chain(dataset: Dataset, store: FeatureStore, chains: Sequence[str], anticipation_seconds: float = 1.0) -> str:
    """Returns the chain with the highest accuracy on held-out training groups; of equal ones the first.

    Args:
        dataset: the data set, of which only the training split is used.
        store: the times of its frames.
        chains: controls such as "ngram:2".
        anticipation_seconds: time from the query to the start of the action.
    """
    choosing = hold_out(dataset, HELD_OUT)
    query_set = QuerySet(choosing, store, "val", next_actions_of(choosing, "val", anticipation_seconds))
    training = next_actions_of(choosing, "train", anticipation_seconds)
    accuracy = {
        chain: answer_baselines(query_set, [chain], training, UNNAMED_RUN)[0]["correct"].mean() for chain in chains
    }
    return max(chains, key=lambda chain: accuracy[chain])


def next_action_table(
    models: Mapping[str, pd.DataFrame], controls: Mapping[str, pd.DataFrame], against: Sequence[str]
) -> pd.DataFrame:
    """Compares models and controls on the same queries: their scores, and differences of models from some controls.

    Args:
        models: rows of each model by name, of one context and any seeds.
        controls: rows of each control by name, with at least one answer to each query.
        against: the controls to compute differences from.

    Returns:
        the columns by, top-1, top-5 and class-mean top-5 (recall): percent with 95% intervals over groups.
    """
    lines = [{"by": name, **_measured(rows)} for name, rows in (*models.items(), *controls.items())]
    for control in against:
        lines += [{"by": f"{name} - {control}", **_measured(rows, controls[control])} for name, rows in models.items()]
    return pd.DataFrame(lines)


def _measured(rows: pd.DataFrame, baseline: pd.DataFrame | None = None) -> dict[str, str]:
    """Returns three numbers with intervals, or their differences to a baseline's."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewGroupsWarning)  # the caller prints the number of groups
        for name, k in (("top-1", 1), ("top-5", 5)):
            right = [part.assign(correct=part["rank"] <= k) for part in (rows, baseline) if part is not None]
            found[name] = paired_difference(*right) if baseline is not None else accuracy_interval(right[0])
        found["class-mean top-5"] = class_mean_recall_interval(rows, 5, baseline)
    return {name: interval.in_percent(signed=baseline is not None) for name, interval in found.items()}
