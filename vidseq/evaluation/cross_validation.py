"""Cross-validation: each split has its own models and test videos, and all splits together give one curve."""

from collections.abc import Sequence

import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.rows import concatenate

_SPLITS = "pooled_splits"


def pool_splits(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Concatenates the rows of all splits. The models of one head and seed, one per split, count as one model.

    If they counted as several models, the bootstrap would resample them as if each had answered every query, and the
    intervals would be far too wide.

    Args:
        tables: rows of each split.

    Returns:
        all rows, with runs named by head and seed. `num_splits` returns the number of pooled splits.

    Raises:
        UserError: a video is in two splits, or one split has two runs of the same head and seed.
    """
    seen: set[tuple[str, str]] = set()
    for table in tables:
        runs = table.drop_duplicates(["head", "seed", "run"])
        if runs.duplicated(["head", "seed"]).any():
            twice = runs[runs.duplicated(["head", "seed"])].iloc[0]
            raise UserError(
                f"Pooled splits expect one run of each head and seed in each split, got two of {twice['head']} "
                f"with seed {twice['seed']}. Summarise the runs separately."
            )
        videos = set(zip(table["dataset"], table["video"]))
        if videos & seen:
            raise UserError(
                f"Pooled splits expect different videos, got '{min(videos & seen)[1]}' in two. "
                "Evaluate each video in one split."
            )
        seen |= videos
    named = [table.assign(run=table["head"] + "-seed" + table["seed"].astype(str)) for table in tables]
    return concatenate(named).assign(**{_SPLITS: len(tables)})


def num_splits(rows: pd.DataFrame) -> int:
    """Returns the number of splits that `pool_splits` put together; 1 for other rows."""
    return int(rows[_SPLITS].max()) if _SPLITS in rows else 1
