"""Long-term anticipation: the labels of the next minutes, scored as published and in two harder ways.

The published measure (Abu Farha et al., arXiv:1804.00892) observes the first part of a video and predicts the next
part of the *whole* video's length. The accuracy of each class over all test videos of a split is averaged over the
classes that occur. Two things make this easier than it looks. In most videos nothing changes for a while, so frames
*after the first transition* are also scored alone. A horizon in shares of the video reveals the video's length, so it
can also be a multiple of what was *observed*.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.rows import UNNAMED_RUN, Run

#: Shares of the video that the published tables observe, and then predict.
OBSERVED, PREDICTED = (0.2, 0.3), (0.1, 0.2, 0.3, 0.5)
#: Multiples of what was observed, for horizons that do not depend on the video's length.
MULTIPLES = (0.5, 1.0, 1.5, 2.5)
#: The frames that are scored: all that are predicted, or those after the first true change of label.
PARTS = ("all", "after_transition")

#: The classes of the observed frames, (o,), and how many frames are wanted, to the classes of those, (frames,); fewer
#: are filled up with the last of them.
Forecast = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Horizon:
    """What is observed and what is predicted of a video."""

    observed: float
    """Share of the video."""
    predicted: float
    """Share of the video, or multiple of what was observed."""
    of_observed: bool = False
    """Whether it is such a multiple."""

    def frames(self, num_frames: int) -> tuple[int, int]:
        """The frames [o, e) to be predicted of a video of n frames: o = int(obs n), e = int((obs + pred) n)."""
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
    """Scores forecasts on the test videos of a split; each observed share is asked once, for its farthest horizon.

    Args:
        forecast: the method, or one for each video.
        videos: true classes of every frame, (n,), by name.
        split: names the split.
        groups: person or camera of each video; None: the video itself.
        horizons: what is observed and predicted.
        run: what to write into the rows.

    Returns:
        one row for each video, horizon, part and class that occurs there: run, seed, split, video, group, observed,
        predicted, of_observed, part, label, correct, total.

    Raises:
        UserError: no video, a video too short to observe anything of, or a forecast of nothing.
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
                rows += _count(predicted[: end - start], labels[start:end], labels[start - 1], horizon, about)
    return pd.DataFrame(rows)


def _ask(method: Forecast, labels: np.ndarray, start: int, frames: int, name: str) -> np.ndarray:
    if start < 1:
        raise UserError(
            f"Long-term anticipation expects at least one observed frame, got {len(labels)} frames in '{name}'."
        )
    return filled(method(labels[:start], frames), frames, name)


def filled(predicted: np.ndarray, frames: int, name: str = "a video") -> np.ndarray:
    """Cuts a forecast to a length, or fills it up with its last class: a short one is never skipped.

    Args:
        predicted: classes, at least one.
        frames: how many are wanted.
        name: of the video, for the message.

    Raises:
        UserError: nothing was predicted.
    """
    predicted = np.asarray(predicted)[:frames]
    if frames > 0 and not len(predicted):
        raise UserError(f"A forecast expects at least one frame, got none for '{name}'.")
    return np.pad(predicted, (0, frames - len(predicted)), mode="edge") if frames else predicted


def _count(
    predicted: np.ndarray, true: np.ndarray, newest: int, horizon: Horizon, about: Mapping[str, object]
) -> list[dict[str, object]]:
    changed = np.flatnonzero(true != newest)
    first = {"all": 0, "after_transition": int(changed[0]) if len(changed) else len(true)}
    rows = []
    for part in PARTS:
        ours, theirs = predicted[first[part] :], true[first[part] :]
        for label in np.unique(theirs):
            here = theirs == label
            rows.append(
                {
                    **about,
                    **{"observed": horizon.observed, "predicted": horizon.predicted, "part": part},
                    **{"of_observed": horizon.of_observed, "label": int(label)},
                    **{"correct": int((ours[here] == label).sum()), "total": int(here.sum())},
                }
            )
    return rows


def mean_over_classes(rows: pd.DataFrame) -> float:
    """Each class's share of right frames, over all videos of a split together; the mean over classes, then splits.

    Args:
        rows: of one run, horizon and part; several splits.

    Raises:
        UserError: no rows.
    """
    if not len(rows):
        raise UserError("Mean over classes expects at least one row, got none.")
    classes = rows.groupby(["split", "label"])[["correct", "total"]].sum()
    shares = classes["correct"] / classes["total"]
    return float(shares.groupby("split").mean().mean())


def long_term_table(rows: pd.DataFrame, by: Sequence[str] = ("run",)) -> pd.DataFrame:
    """Mean over classes in percent with one digit: a line for each run, part and kind of horizon, a column a cell.

    Args:
        rows: of `evaluate_long_term`.
        by: the columns that a line has one value of.
    """
    lines = []
    for names, part in rows.groupby([*by, "part", "of_observed"], sort=False):
        line = dict(zip([*by, "part", "of_observed"], names))
        for (observed, predicted), cell in part.groupby(["observed", "predicted"]):
            line[f"{100 * observed:g}%: {predicted:g}"] = round(100 * mean_over_classes(cell), 1)
        lines.append({**line, "videos": part["video"].nunique()})
    return pd.DataFrame(lines)


def transposing_edit_distance(one: Sequence[object], other: Sequence[object]) -> int:
    """Fewest insertions, deletions, substitutions and swaps of neighbours, no place edited twice.

    Source: Damerau, 1964; in the restricted form (optimal string alignment).
    """
    rows = [list(range(len(other) + 1))]
    for i, item in enumerate(one, start=1):
        row = [i]
        for j, theirs in enumerate(other, start=1):
            best = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (item != theirs))
            if i > 1 and j > 1 and item == other[j - 2] and one[i - 2] == theirs:
                best = min(best, rows[i - 2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def edit_distance_at(futures: Sequence[Sequence[object]], true: Sequence[object], *, length: int = 20) -> float:
    """The least edit distance of several predicted sequences of actions to the true one, as a share of its length.

    Ego4D's ED@Z: the next Z = 20 actions, K = 5 predictions. Where fewer than Z actions are left, what is left counts.

    Args:
        futures: K sequences of classes; longer ones are cut, shorter ones filled up with their last class.
        true: the classes to come.
        length: Z.

    Raises:
        UserError: no future, or nothing to come.

    Source: Grauman et al., arXiv:2110.07058, appendix on long-term anticipation.
    """
    true = list(true)[:length]
    if not futures or not true:
        raise UserError(
            f"Edit distance expects predicted futures and actions to come, got {len(futures)} and {len(true)}."
        )
    sequences = [list(future)[: len(true)] for future in futures]
    whole = [sequence + sequence[-1:] * (len(true) - len(sequence)) for sequence in sequences]
    return min(transposing_edit_distance(sequence, true) for sequence in whole) / len(true)
