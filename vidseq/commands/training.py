"""Verbs that train models."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from vidseq.training.config import TrainConfig

Run = TypeVar("Run", bound=Callable[..., int | None])


def sets_itself(*fields: str) -> Callable[[Run], Run]:
    """Marks a verb that sets some fields of its configs by itself, so that they are no options of it."""

    def mark(run: Run) -> Run:
        run.fixed_fields = frozenset(fields)  # type: ignore[attr-defined]  # functions take attributes
        return run

    return mark


def train(data: Path, out: Path, config: TrainConfig, *, features: str | None = None, resume: bool = False) -> None:
    """Trains a model on a data set's features.

    Args:
        data: folder of the data set.
        out: folder of the run, such as runs/lstm.
        config: how to build and train it.
        features: which features, by the start of their folder's name; needed if there are several.
        resume: go on with the run that is there.
    """
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore
    from vidseq.training import fit

    dataset = Dataset.load(data)
    print(fit(dataset, FeatureStore.open_in(data, features), config, out, resume=resume))


@sets_itself("head", "head_options", "seed")
def compare(
    data: Path,
    out: Path,
    config: TrainConfig,
    *,
    heads: str,
    match: Literal["params", "flops", "state"] = "params",
    count: Literal["head", "model"] = "head",
    budget: float | None = None,
    seeds: str = "0,1,2",
    options: dict[str, dict[str, Any]] | None = None,
    split: str = "test",
    contexts: str = "1f,1s,2s,...,full",
    controls: list[str] | None = None,
    features: str | None = None,
    workers: int | None = None,
) -> int:
    """Trains and evaluates heads at an equal budget, widths solved: one table, one figure, one row a query.

    Args:
        data: folder of the data set, with features.
        out: folder for the runs and the report; the same command goes on where it was stopped.
        config: how all heads are trained; --dim is the width of the first head where no budget is given.
        heads: names, such as conv,lstm,memory; all is every head.
        match: what is equal; parameters, FLOPs a frame, or bytes of state.
        count: whether the head alone counts or, for parameters, the whole model.
        budget: how much each head has; as much as the first one if left out.
        seeds: of training, such as 0,1,2.
        options: of some heads, by name, such as {window: {window: 64}}.
        split: which videos to ask about.
        contexts: how much of the past to show, such as 1f,1s,2s,...,full.
        controls: blind, last_frame, shuffled and majority if left out.
        features: which features, by the start of their folder's name; needed if there are several.
        workers: runs at the same time, one thread each; as many as there are CPUs if left out.
    """
    from vidseq.comparison.compare import CONTROLS, compare_heads, parse_seeds

    result = compare_heads(data, out, heads, match=match, count=count, budget=budget, seeds=parse_seeds(seeds),
                           training=config, options=options, split=split, contexts=contexts,
                           controls=controls or CONTROLS, features=features, workers=workers)  # fmt: skip
    print(result.text, end="")
    for name, error in result.failed.items():
        print(f"vidseq: {name}: failed: {error}", file=sys.stderr)
    return 1 if result.failed else 0
