"""Puts evaluation rows and predicted frame labels on a timeline."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vidseq.segmentation.found_segments import FoundSegment
from vidseq.timeline.builder import TimelineBuilder
from vidseq.timeline.content import PREDICTED, Answer, Bar, Line


def predicted_lines(
    name: str, found: Sequence[FoundSegment], times: np.ndarray, classes: Sequence[str], *, many_labels: bool = False
) -> list[Line]:
    """Makes a line of predicted segments; their confidence is their score.

    Args:
        name: of the line.
        found: the segments.
        times: of each frame and of the end of the video, rising, (T + 1,).
        classes: C names.
        many_labels: segments of several classes may overlap, so that each class that was found gets a line.
    """
    bars = [
        Bar(
            start=float(times[item.first]),
            end=max(float(times[item.first]), float(times[item.stop])),
            label=classes[item.label],
            confidence=item.score,
        )
        for item in found
    ]
    if not many_labels:
        return [Line(name=name, role=PREDICTED, bars=bars)]
    labels = sorted({bar.label for bar in bars})
    return [
        Line(name=f"{name} · {label}", role=PREDICTED, bars=[bar for bar in bars if bar.label == label])
        for label in labels
    ]


def add_rows(builder: TimelineBuilder, rows: pd.DataFrame) -> None:
    """Puts each run's own answers at its longest context on a timeline, with notes on what is left out.

    Args:
        builder: of the timeline.
        rows: see `vidseq.evaluation.rows.Row`.

    Raises:
        DataError: rows name a video that the data set does not have.
    """
    own = rows[rows["control"] == ""]
    longest = own.groupby(["run", "mode"])["context_seconds"].transform("max")
    kept = own[own["context_seconds"] == longest].drop_duplicates(["run", "seed", "mode", "video", "query"])
    for row, model in zip(kept.itertuples(index=False), _model_names(kept)):
        answer = Answer(model=model, answer=row.prediction, probability=row.score, right=bool(row.correct))
        builder.add_answer(row.video, answer, time=row.time, kind=row.kind, question=row.question, truth=row.answer)
    if len(own) > len(kept):
        builder.add_note("Answers are those at each run's longest context.")
    if len(rows) > len(own):
        builder.add_note("Answers of controls are left out.")


def _model_names(rows: pd.DataFrame) -> pd.Series:
    """The run of each row, with its mode and seed where a run has several."""
    names = rows["run"].astype(str)
    for column, word in (("mode", ""), ("seed", "seed ")):
        several = rows.groupby("run")[column].transform("nunique") > 1
        names = names.where(~several, names + " · " + word + rows[column].astype(str))
    return names
