"""Tables of detected segments: average precision at temporal IoU from rows, with intervals over groups.

Rows hold every found and every true segment, so that any threshold or average follows from them. Only labels that have
true segments count, as in ActivityNet's evaluation.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vidseq.data.schema import Segment
from vidseq.evaluation.detection_tables import Detection, draw_groups, mean_interval
from vidseq.evaluation.intervals import Interval
from vidseq.reporting.tables import to_markdown
from vidseq.segmentation.segment_detection import (
    ACTIVITYNET_OVERLAPS,
    THUMOS_OVERLAPS,
    interpolated_precision,
    match_segments,
    segment_average_precision,
)

#: The thresholds of temporal IoU that tables have: tenths, and those of ActivityNet.
OVERLAPS = tuple(sorted({*ACTIVITYNET_OVERLAPS, *(round(0.1 * step, 2) for step in range(1, 10))}))
#: Means over thresholds that are usual.
AVERAGES = {"mAP@0.3:0.7": THUMOS_OVERLAPS, "mAP@0.5:0.95": ACTIVITYNET_OVERLAPS}
#: The thresholds that a text shows.
_SHOWN = (0.3, 0.5, 0.7)
#: Bootstrap samples, and the most scores at which they compute precision; the values themselves are exact.
_NUM_SAMPLES, _NUM_THRESHOLDS = 500, 100


def segment_rows(
    found: Sequence[tuple[float, Segment]], true: Sequence[Segment], groups: Mapping[str, str]
) -> pd.DataFrame:
    """Makes a row of each found and of each true segment.

    Args:
        found: segments with their scores.
        true: the true segments.
        groups: the group of each video.

    Returns:
        video, group, label, start, end, score (NaN for true segments) and is_true.
    """
    rows = [(*_facts(segment), score, False) for score, segment in found]
    rows += [(*_facts(segment), float("nan"), True) for segment in true]
    table = pd.DataFrame(rows, columns=["video", "label", "start", "end", "score", "is_true"])
    table.insert(1, "group", table["video"].map(groups))
    return table


def detect_segments(rows: pd.DataFrame, about: Mapping[str, object]) -> Detection:
    """Computes average precision at temporal IoU of segments of one model and decoding.

    Args:
        rows: see `segment_rows`.
        about: the first columns of both tables, such as the run.

    Returns:
        `of_class`: a row a label with true segments: label, num_true, num_found, and AP at each of `OVERLAPS`, as
        AP@0.5. `means`: one line: classes, num_true, num_found, the mean over classes at each threshold, as mAP@0.5,
        and those of `AVERAGES`, each with its interval over groups as _low and _high, and num_groups; fractions. Both
        are empty where there is no true segment.
    """
    labels = sorted(rows["label"][rows["is_true"]].unique())
    if not labels:
        return Detection(pd.DataFrame(), pd.DataFrame())
    scored, true = _segments(rows)
    found = segment_average_precision(
        [segment for _, segment in scored], [score for score, _ in scored], true, overlaps=OVERLAPS, labels=labels
    )
    exact, samples = found.of_class, _bootstrap(rows, labels)
    counts = rows[rows["label"].isin(labels)].groupby("label")["is_true"].agg(["sum", "size"])
    of_class = pd.DataFrame(
        {
            "label": labels,
            "num_true": counts["sum"].to_numpy(int),
            "num_found": (counts["size"] - counts["sum"]).to_numpy(int),
            **{f"AP@{overlap:g}": exact[position] for position, overlap in enumerate(OVERLAPS)},
        }
    )
    num_true, num_groups = int(of_class["num_true"].sum()), rows["group"].nunique()
    line: dict[str, object] = {"classes": len(labels), "num_true": num_true, "num_found": of_class["num_found"].sum()}
    columns = {f"mAP@{overlap:g}": (overlap,) for overlap in OVERLAPS} | AVERAGES
    for name, overlaps in columns.items():
        own = [OVERLAPS.index(overlap) for overlap in overlaps]
        interval = mean_interval(exact[own].mean(axis=0), samples[own].mean(axis=0), num_true, num_groups)
        line |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    means = pd.DataFrame([{**line, "num_groups": num_groups}])
    return Detection(*(pd.DataFrame({**about, **table}, index=table.index) for table in (of_class, means)))


def segment_text(table: pd.DataFrame) -> str:
    """Formats lines of `detect_segments`, with run, head and decoding, as Markdown, in percent."""
    shown = table[["run", "head", "decoding"]].copy()
    for name in (*(f"mAP@{overlap:g}" for overlap in _SHOWN), "mAP@0.5:0.95"):
        ends = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], table["num_true"], table["num_groups"])
        shown[f"{name} of segments (%)"] = [Interval(*values).in_percent() for values in ends]
    return to_markdown(shown.assign(classes=table["classes"], true=table["num_true"], found=table["num_found"]))


def _facts(segment: Segment) -> tuple[str, str, float, float]:
    return segment.video, segment.label, segment.start, segment.end


def _segments(rows: pd.DataFrame) -> tuple[list[tuple[float, Segment]], list[Segment]]:
    """The found segments of rows, with their scores, and the true ones."""
    parts = []
    for is_true in (False, True):
        own = rows[rows["is_true"] == is_true]
        facts = zip(*(own[name].tolist() for name in ("score", "video", "label", "start", "end")))
        parts.append(
            [
                (score, Segment(video=video, label=label, start=start, end=end))
                for score, video, label, start, end in facts
            ]
        )
    return parts[0], [segment for _, segment in parts[1]]


def _bootstrap(rows: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """Computes AP of each label in samples of groups, (thresholds, samples + 1, labels); NaN where one lacks it.

    A video's detections take its own segments alone, so that which of them are right is the same in all samples.
    """
    names = sorted(rows["group"].astype(str).unique())
    group_of = dict(zip(rows["video"], rows["group"].astype(str).map(names.index)))
    times = draw_groups(len(names), _NUM_SAMPLES)
    values = np.full((len(OVERLAPS), len(times), len(labels)), np.nan)
    of_label = dict(iter(rows.groupby("label")))
    for column, label in enumerate(labels):
        scored, true = _segments(of_label[label])
        num_true = times @ np.bincount([group_of[item.video] for item in true], minlength=len(names))
        ordered, right = match_segments(scored, true, np.array(OVERLAPS))
        group = np.array([group_of[item.video] for _, item in ordered], int)
        rank = _ranks(np.array([score for score, _ in ordered]))
        for position, found in enumerate(right):
            values[position, :, column] = _precision(times, group, rank, found, num_true)
    return values


def _ranks(scores: np.ndarray) -> np.ndarray:
    """The rank of each of falling scores among at most `_NUM_THRESHOLDS` thresholds."""
    distinct = np.cumsum(np.append(0, scores[1:] != scores[:-1]))[: len(scores)]
    most = distinct[-1] + 1 if len(distinct) else 0
    return distinct if most <= _NUM_THRESHOLDS else distinct * _NUM_THRESHOLDS // most


def _precision(
    times: np.ndarray, group: np.ndarray, rank: np.ndarray, right: np.ndarray, num_true: np.ndarray
) -> np.ndarray:
    """Average precision in each sample, (samples,), of detections in their order."""
    shape = times.shape[1], int(rank.max(initial=-1)) + 1
    cell = group * shape[1] + rank
    found, all_ = (
        (times @ np.bincount(cell, weights=part, minlength=shape[0] * shape[1]).reshape(shape)).cumsum(axis=1)
        for part in (right.astype(float), np.ones(len(right)))
    )
    precision = np.divide(found, all_, out=np.zeros(found.shape), where=all_ > 0)
    area = interpolated_precision(precision, found / np.maximum(num_true, 1)[:, None])
    return np.where(num_true > 0, area, np.nan)
