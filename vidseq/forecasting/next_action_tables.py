"""Compares next-action forecasts with n-gram chains of past labels, one of which is chosen on training data."""

import warnings
from collections.abc import Mapping, Sequence

import pandas as pd

from vidseq.data.dataset import Dataset
from vidseq.data.held_out import hold_out
from vidseq.data.query_set import QuerySet
from vidseq.data.schema import Query
from vidseq.evaluation.answering import Predict
from vidseq.evaluation.class_means import class_mean_recall_interval
from vidseq.evaluation.evaluator import answer_baselines, evaluate_adjusted, queries_of_split
from vidseq.evaluation.intervals import FewGroupsWarning, accuracy_interval, paired_difference
from vidseq.evaluation.logit_adjustment import TAUS, LogitAdjustment, choose_tau
from vidseq.evaluation.rows import UNNAMED_RUN, Run, concatenate
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


def adjusted_table(
    models: Mapping[str, Sequence[Predict]],
    held_out_model: Predict,
    chain: str,
    query_set: QuerySet,
    held_out: QuerySet,
    store: FeatureStore,
    k: int = 5,
) -> pd.DataFrame:
    """Compares a model and a chain for class-mean recall, with scores as they are and adjusted by class frequency.

    Args:
        models: the runs of one model, its seeds, by the model's name.
        held_out_model: the same model, trained without the groups of `held_out`.
        chain: a control such as "ngram:2".
        query_set: the queries to score.
        held_out: queries that choose the strength of the adjustment, of the model and of the chain.
        store: the features.
        k: an answer counts if it is among the first K.

    Returns:
        see `next_action_table`.
    """
    of_chain = dict(zip(TAUS, _adjusted_chain(chain, held_out, TAUS)))
    of_model = dict(zip(TAUS, _adjusted([held_out_model], held_out, store, TAUS)))
    chain_tau, model_tau = (choose_tau(of_tau.__getitem__, k) for of_tau in (of_chain, of_model))
    plain, adjusted = _adjusted_chain(chain, query_set, [0.0, chain_tau])
    chains = {chain: plain, f"{chain}, tau {chain_tau:g}": adjusted}
    rows: dict[str, pd.DataFrame] = {}
    for name, runs in models.items():
        plain, adjusted = _adjusted(runs, query_set, store, [0.0, model_tau])
        rows |= {name: plain, f"{name}, tau {model_tau:g}": adjusted}
    return next_action_table(rows, chains, list(chains))


def _adjusted(
    runs: Sequence[Predict], query_set: QuerySet, store: FeatureStore, taus: Sequence[float]
) -> list[pd.DataFrame]:
    """The rows of several runs together, for each strength of the adjustment."""
    adjusts = [LogitAdjustment.learnt(*_known_answers(query_set), tau) for tau in taus]
    of_run = [
        evaluate_adjusted(
            predict,
            query_set.dataset,
            store,
            query_set.split,
            adjusts,
            queries=query_set.queries,
            run=Run(run=str(index)),
        )
        for index, predict in enumerate(runs)
    ]
    return [concatenate(tables) for tables in zip(*of_run)]


def _adjusted_chain(chain: str, query_set: QuerySet, taus: Sequence[float]) -> list[pd.DataFrame]:
    """The rows of a chain, for each strength of the adjustment."""
    training, about = next_actions_of(query_set.dataset, "train"), Run(run=chain)
    adjusts = [LogitAdjustment.learnt(*_known_answers(query_set), tau) for tau in taus]
    return [concatenate(answer_baselines(query_set, [chain], training, about, adjust)) for adjust in adjusts]


def _known_answers(query_set: QuerySet) -> tuple[list[str], tuple[str, ...]]:
    """The training answers, and the classes."""
    return [query.answer for query in next_actions_of(query_set.dataset, "train")], query_set.dataset.action_labels


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
