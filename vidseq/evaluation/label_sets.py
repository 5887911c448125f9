"""Scores many labels a frame: precision, recall and F1 of pairs of frame and label, one row a video.

Rows keep counts. The background does not count: it is there where nothing else is. Frames that do not count, such as
ambiguous ones, are left out.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vidseq.evaluation.frame_labels import facts_of_video
from vidseq.evaluation.intervals import bootstrap_means
from vidseq.evaluation.rows import UNNAMED_RUN, Run

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset

_COUNTS = ["true_positives", "false_positives", "false_negatives"]


def score_label_sets(
    found: Mapping[str, np.ndarray],
    true: Mapping[str, np.ndarray],
    dataset: "Dataset",
    split: str,
    left_out: int | None,
    *,
    run: Run = UNNAMED_RUN,
    decoding: str = "",
) -> pd.DataFrame:
    """Scores the labels that frames were given against the true ones.

    Args:
        found: whether a frame was given a label, bool (T, C), of each video.
        true: 1 where a frame is of a class, and below 0 in all columns of a frame that does not count, (T, C), of each
            video to score.
        dataset: names and groups of the videos.
        split: name of the split, for the rows.
        left_out: the class that does not count, such as the background; None: all count.
        run: the model's entries in the rows.
        decoding: how labels were made from scores, for the rows.

    Returns:
        one row per video: the columns of `facts_of_video`, num_frames, true_positives, false_positives and
        false_negatives.
    """
    rows = []
    for video, classes in true.items():
        known = classes[:, 0] >= 0
        pair = (part[known].astype(bool) for part in (found[video], classes))
        there, wanted = (part if left_out is None else np.delete(part, left_out, axis=1) for part in pair)
        counts = [int(np.sum(part)) for part in (there & wanted, there & ~wanted, ~there & wanted)]
        facts = facts_of_video(video, dataset, split, run, decoding, "out")
        rows.append({**facts, "num_frames": int(known.sum()), **dict(zip(_COUNTS, counts))})
    return pd.DataFrame(rows)


def label_set_table(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Computes precision, recall and F1 in percent for each combination of some columns, over all pairs.

    Args:
        rows: rows of `score_label_sets`.
        by: the columns whose combinations get a line each, such as head and decoding.

    Returns:
        the columns `by`, precision, recall, F1 with its interval over groups, and num_videos.
    """
    lines = []
    for names, part in rows.groupby(list(by), sort=False):
        samples = bootstrap_means(part[_COUNTS].to_numpy(float), part["group"].to_numpy(), part["seed"].to_numpy())
        right, wrong, missed = samples.means
        precision, recall = (right / max(right + other, 1e-12) for other in (wrong, missed))
        line = {"precision": round(100 * precision, 1), "recall": round(100 * recall, 1)}
        line["F1 of frames (%)"] = samples.interval(_f1).in_percent()
        lines.append({**dict(zip(by, names)), **line, "num_videos": part["video"].nunique()})
    return pd.DataFrame(lines)


def _f1(counts: np.ndarray) -> np.ndarray:
    """F1 of counts (..., 3); 0 where nothing was found and nothing was there."""
    right = 2 * counts[..., 0]
    return np.divide(right, right + counts[..., 1:].sum(axis=-1), out=np.zeros(right.shape), where=right > 0)
