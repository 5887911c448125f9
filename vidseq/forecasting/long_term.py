"""Long-term anticipation: forecasts of the labels of the next minutes, scored as published and in two harder ways.

The published measure (Abu Farha et al., arXiv:1804.00892) observes the first part of a video and predicts the next
part, both as shares of the *whole* video's length. The accuracy of each class over all test videos of a split is
averaged over the classes that occur. Two things make this easy. In most videos the label does not change for a while,
so frames *after the first transition* are also scored alone. A horizon in shares of the video reveals the video's
length, so a horizon can also be a multiple of the *observed* part.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.rows import UNNAMED_RUN, Run

#: Shares of the video that the published tables observe, and shares that they predict.
OBSERVED, PREDICTED = (0.2, 0.3), (0.1, 0.2, 0.3, 0.5)
#: Multiples of the observed part, for horizons that do not depend on the video's length.
MULTIPLES = (0.5, 1.0, 1.5, 2.5)
#: A video with fewer frames has none before the first fifth.
MIN_FRAMES = 5
#: The frames that are scored: all that are predicted, or those after the first true change of label.
PARTS = ("all", "after_transition")

#: Maps the classes of the observed frames, (o,), and a number of frames to the classes of that many next frames; a
#: shorter result is padded with its last class.
Forecast = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Horizon:
    """The observed and the predicted part of a video."""

    observed: float
    """Share of the video."""
    predicted: float
    """Share of the video, or multiple of the observed part."""
    of_observed: bool = False
    """Whether `predicted` is a multiple of the observed part."""

    def frames(self, num_frames: int) -> tuple[int, int]:
        """Returns the frames [o, e) to predict in a video of n frames: o = int(obs n), e = int((obs + pred) n)."""
        start = int(self.observed * num_frames)
        if self.of_observed:
            return start, min(num_frames, start + int(self.predicted * start))
        return start, int((self.observed + self.predicted) * num_frames)


#: The eight cells of the published tables.
HORIZONS = tuple(Horizon(observed, predicted) for observed in OBSERVED for predicted in PREDICTED)
#: The same with horizons that do not depend on the length of the video.
OBSERVED_HORIZONS = tuple(Horizon(observed, multiple, True) for observed in OBSERVED for multiple in MULTIPLES)


def evaluate_long_term(
    forecast: Forecast | Mapping[str, Forecast],
    videos: Mapping[str, np.ndarray],
    *,
    split: str | int,
    groups: Mapping[str, str] | None = None,
    horizons: Iterable[Horizon] = HORIZONS,
    run: Run = UNNAMED_RUN,
) -> pd.DataFrame:
    """Scores forecasts on the test videos of a split; each observed share is forecast once, for its longest horizon.

    Frames below 0 have no label. They are not scored, and a forecast observes them as `fill_gaps` fills them.

    Args:
        forecast: the method, or one method for each video.
        videos: true classes of every frame of each video, (n,), by name.
        split: name of the split.
        groups: person or camera of each video; None: the video itself.
        horizons: the observed and predicted parts.
        run: the model's entries in the rows.

    Returns:
        one row for each video, horizon, part and class that occurs in it: run, seed, split, video, group, observed,
        predicted, of_observed, part, label, correct, total.

    Raises:
        UserError: there is no video, a video is too short for an observed frame, or a forecast is empty.
    """
    if not videos:
        raise UserError("Long-term anticipation expects at least one video, got none.")
    rows: list[dict[str, object]] = []
    horizons = list(horizons)
    for name, labels in videos.items():
        method = forecast[name] if isinstance(forecast, Mapping) else forecast
        about = {"run": run.run, "seed": run.seed, "split": split, "video": name}
        about["group"] = name if groups is None else groups[name]
        for start in sorted({horizon.frames(len(labels))[0] for horizon in horizons}):
            ends = {h: h.frames(len(labels))[1] for h in horizons if h.frames(len(labels))[0] == start}
            predicted = _ask(method, labels, start, max(ends.values()) - start, name)
            for horizon, end in ends.items():
                newest = fill_gaps(labels[:start])[-1]
                rows += _count(predicted[: end - start], labels[start:end], newest, horizon, about)
    return pd.DataFrame(rows)


def _ask(method: Forecast, labels: np.ndarray, start: int, frames: int, name: str) -> np.ndarray:
    if start < 1:
        raise UserError(
            f"Long-term anticipation expects at least one observed frame, got {len(labels)} frames in '{name}'."
        )
    return filled(method(fill_gaps(labels[:start]), frames), frames, name)


def fill_gaps(labels: np.ndarray) -> np.ndarray:
    """Gives frames without a label, below 0, the class before them; those before all others the first class.

    Args:
        labels: the class of each frame, (n,); without any class they stay as they are.
    """
    labels = np.asarray(labels)
    known = np.flatnonzero(labels >= 0)
    if len(known) in (0, len(labels)):
        return labels
    return labels[known[np.maximum(np.searchsorted(known, np.arange(len(labels)), side="right") - 1, 0)]]


def filled(predicted: np.ndarray, frames: int, name: str = "a video") -> np.ndarray:
    """Cuts a forecast to a number of frames, or pads it with its last class, so that no frame is left out.

    Args:
        predicted: classes, at least one.
        frames: number of frames.
        name: name of the video, for the error message.

    Raises:
        UserError: the forecast is empty.
    """
    predicted = np.asarray(predicted)[:frames]
    if frames > 0 and not len(predicted):
        raise UserError(f"A forecast expects at least one frame, got none for '{name}'.")
    return np.pad(predicted, (0, frames - len(predicted)), mode="edge") if frames else predicted


def _count(
    predicted: np.ndarray, true: np.ndarray, newest: int, horizon: Horizon, about: Mapping[str, object]
) -> list[dict[str, object]]:
    changed = np.flatnonzero((true != newest) & (true >= 0))
    first = {"all": 0, "after_transition": int(changed[0]) if len(changed) else len(true)}
    rows = []
    for part in PARTS:
        predicted_part, true_part = predicted[first[part] :], true[first[part] :]
        for label in np.unique(true_part[true_part >= 0]):
            here = true_part == label
            rows.append(
                {
                    **about,
                    **{"observed": horizon.observed, "predicted": horizon.predicted, "part": part},
                    **{"of_observed": horizon.of_observed, "label": int(label)},
                    **{"correct": int((predicted_part[here] == label).sum()), "total": int(here.sum())},
                }
            )
    return rows


def mean_over_classes(rows: pd.DataFrame) -> float:
    """Computes each class's share of right frames over all videos of a split, then the mean over classes and splits.

    Args:
        rows: rows of one run, horizon and part; several splits.

    Raises:
        UserError: there are no rows.
    """
    if not len(rows):
        raise UserError("Mean over classes expects at least one row, got none.")
    classes = rows.groupby(["split", "label"])[["correct", "total"]].sum()
    shares = classes["correct"] / classes["total"]
    return float(shares.groupby("split").mean().mean())


def long_term_table(rows: pd.DataFrame, by: Sequence[str] = ("run",)) -> pd.DataFrame:
    """Computes the mean over classes in percent with one digit: a line per run, part and kind of horizon.

    Each column is one observed and predicted share.

    Args:
        rows: rows of `evaluate_long_term`.
        by: the columns whose values name the lines.
    """
    lines = []
    for names, part in rows.groupby([*by, "part", "of_observed"], sort=False):
        line = dict(zip([*by, "part", "of_observed"], names))
        for (observed, predicted), cell in part.groupby(["observed", "predicted"]):
            line[f"{100 * observed:g}%: {predicted:g}"] = round(100 * mean_over_classes(cell), 1)
        lines.append({**line, "videos": part["video"].nunique()})
    return pd.DataFrame(lines)


def transposing_edit_distance(one: Sequence[object], other: Sequence[object]) -> int:
    """Counts the fewest insertions, deletions, substitutions and swaps of neighbours; no item is edited twice.

    Source: Damerau, 1964; in the restricted form (optimal string alignment).
    """
    rows = [list(range(len(other) + 1))]
    for i, item in enumerate(one, start=1):
        row = [i]
        for j, true_part in enumerate(other, start=1):
            best = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (item != true_part))
            if i > 1 and j > 1 and item == other[j - 2] and one[i - 2] == true_part:
                best = min(best, rows[i - 2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def edit_distance_at(futures: Sequence[Sequence[object]], true: Sequence[object], *, length: int = 20) -> float:
    """Computes the least edit distance from several predicted action sequences to the true one, divided by its length.

    Ego4D's ED@Z: the next Z = 20 actions, K = 5 predictions. If fewer than Z actions remain, only those count.

    Args:
        futures: K sequences of classes; longer ones are cut, shorter ones are padded with their last class.
        true: the true future classes.
        length: number of actions Z.

    Raises:
        UserError: there is no predicted sequence, or no future action.

    Source: Grauman et al., arXiv:2110.07058, appendix on long-term anticipation.
    """
    true = list(true)[:length]
    if not futures or not true:
        raise UserError(
            f"Edit distance expects predicted sequences and future actions, got {len(futures)} and {len(true)}."
        )
    sequences = [list(future)[: len(true)] for future in futures]
    whole = [sequence + sequence[-1:] * (len(true) - len(sequence)) for sequence in sequences]
    return min(transposing_edit_distance(sequence, true) for sequence in whole) / len(true)
