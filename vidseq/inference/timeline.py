"""Puts prediction rows on a timeline."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vidseq.data.dataset import Dataset
from vidseq.data.fields import Row, is_number
from vidseq.data.schema import FUTURE
from vidseq.data.tables import read_jsonl
from vidseq.errors import DataError
from vidseq.inference.batch import Batch
from vidseq.inference.predictions import Prediction
from vidseq.inference.sources import Sources
from vidseq.tasks.prediction import Ranking
from vidseq.timeline.builder import TimelineBuilder
from vidseq.timeline.content import FORECAST, PREDICTED, Answer, Bar, Line
from vidseq.timeline.page import timeline_page

#: The fields of a row that hold a text or nothing.
_OPTIONAL_TEXTS = tuple(field.name for field in dataclasses.fields(Prediction) if field.type == str | None)


def write_page(out: Path, batch: Batch, model: str, dataset: Dataset | None, found: Sources) -> None:
    """Writes the page of a run over videos; without rows it writes none.

    Args:
        out: the page.
        batch: the run, which kept its rows.
        model: the name of the model.
        dataset: the data set of the videos; None: there is none.
        found: the videos.
    """
    builder = TimelineBuilder(dataset, {video.name: Path(video.path) for video in found.videos})
    add_predictions(builder, model, batch.kept)
    if batch.num_before:
        builder.add_note(
            f"Videos that are not shown, {batch.num_before}: they were finished before a stop. "
            "`vidseq timeline --rows` shows all rows of a .jsonl file."
        )
    if batch.kept:
        timeline_page(builder.build(f"{model}: predictions", limit=len(found.videos)), out)


def add_predictions(builder: TimelineBuilder, model: str, rows: Iterable[Prediction]) -> None:
    """Puts rows on a timeline: a line for the segments of each kind, one for each forecast, and the answers.

    Args:
        builder: of the timeline.
        model: the name of the model.
        rows: of any videos.

    Raises:
        DataError: rows name a video that the data set does not have.
    """
    bars: dict[tuple[str, str, str | None], list[Bar]] = {}
    for row in rows:
        if row.end is None:
            builder.add_answer(
                row.video, _answer(model, row), time=row.time, kind=row.kind, question=row.question, truth=row.truth
            )
        elif row.end > row.time:
            bar = Bar(start=row.time, end=row.end, label=row.answer, confidence=row.probability)
            bars.setdefault((row.video, row.kind, row.question), []).append(bar)
    for (video, kind, _), found in bars.items():
        builder.add_line(video, _line(model, kind, found))


def _answer(model: str, row: Prediction) -> Answer:
    right = None if row.truth is None else not row.is_wrong
    return Answer(model=model, answer=row.answer, probability=row.probability, ranking=row.ranking, right=right)


def _line(model: str, kind: str, bars: Sequence[Bar]) -> Line:
    if kind == FUTURE:
        return Line(name=f"forecast · {model}", role=FORECAST, bars=bars)
    return Line(name=model, role=PREDICTED, bars=bars)


def read_predictions(path: Path) -> list[Prediction]:
    """Reads the rows that `vidseq predict --out rows.jsonl` wrote.

    Raises:
        FileNotFoundError: the file is missing.
        DataError: a row is wrong, or there is none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"A timeline expects a file of rows, got {path}, which is none.")
    rows = [row for _, row in read_jsonl(path, _prediction)]
    if not rows:
        raise DataError(f"{path.name}: expects rows of `vidseq predict`, got none.")
    return rows


def _prediction(row: Row) -> Prediction:
    answer = row.values.get("answer")
    if not isinstance(answer, str):  # it may be empty: a model may write no word
        raise row.expect("answer", "a text")
    texts: dict[str, Any] = {name: row.optional_text(name) for name in _OPTIONAL_TEXTS}
    return Prediction(
        video=row.text("video"),
        time=row.seconds("time"),
        end=row.optional_seconds("end"),
        kind=row.text("kind"),
        answer=answer,
        probability=_probability(row),
        ranking=_ranking(row),
        **texts,
    )


def _probability(row: Row) -> float:
    value = row.values.get("probability")
    if not is_number(value) or not 0 <= row.seconds("probability") <= 1:
        raise row.expect("probability", "a number from 0 to 1")
    return row.seconds("probability")


def _ranking(row: Row) -> Ranking:
    values = row.values.get("ranking", [])
    if not isinstance(values, list) or not all(map(_is_ranked, values)):
        raise row.expect("ranking", "pairs of a label and a probability")
    return tuple((label, float(value)) for label, value in values)


def _is_ranked(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and is_number(value[1])
