"""Cross-validation: each split has its own models and test videos; together they are one curve."""

from collections.abc import Sequence

import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.rows import concatenate

_SPLITS = "pooled_splits"


def pool_splits(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Puts the rows of all splits together; the models of one head and seed, one a split, count as one.

    As several trained models they would be resampled as if each had answered every query, and intervals would be far
    too wide.

    Args:
        tables: rows of each split.

    Returns:
        all rows, the runs named by head and seed; `num_splits` tells them from those of one model.

    Raises:
        UserError: a video stands in two splits, or a head and seed has two runs in one.
    """
    seen: set[tuple[str, str]] = set()
    for table in tables:
        runs = table.drop_duplicates(["head", "seed", "run"])
        if runs.duplicated(["head", "seed"]).any():
            twice = runs[runs.duplicated(["head", "seed"])].iloc[0]
            raise UserError(
                f"Splits that are put together expect one run a head and seed in each, got two of {twice['head']} "
                f"with seed {twice['seed']}. Sum them up by themselves."
            )
        videos = set(zip(table["dataset"], table["video"]))
        if videos & seen:
            raise UserError(
                f"Splits that are put together expect different videos, got '{min(videos & seen)[1]}' in two. "
                "Each video is asked about in one split."
            )
        seen |= videos
    named = [table.assign(run=table["head"] + "-seed" + table["seed"].astype(str)) for table in tables]
    return concatenate(named).assign(**{_SPLITS: len(tables)})


def num_splits(rows: pd.DataFrame) -> int:
    """How many models, one a split, count as one in rows that `pool_splits` made; 1 in all others."""
    return int(rows[_SPLITS].max()) if _SPLITS in rows else 1
