"""Runs `vidseq context explain`: one prediction as a figure with numbers, or many as a table."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from vidseq.checkpoint import load_model
from vidseq.data.dataset import Dataset
from vidseq.data.schema import QUESTION, Query
from vidseq.data.visible import Past, past_of
from vidseq.errors import UserError
from vidseq.evaluation.models import queries_for
from vidseq.explain.evidence_agreement import (
    MEANS,
    Agreement,
    agreement,
    important_past_rows,
    important_past_table,
)
from vidseq.explain.figure import count_frames, important_past_figure
from vidseq.explain.find import ImportantPast, find_important_past
from vidseq.explain.tiles import tiles_of
from vidseq.features.store import FeatureStore
from vidseq.files import atomic_write, refuse_unwritable
from vidseq.inference.model_features import open_features
from vidseq.inference.predictor import Predictor
from vidseq.progress import progress
from vidseq.reporting.figures import save_figure
from vidseq.reporting.tables import to_markdown, write_table
from vidseq.video.sampling import SAME_TIME_SECONDS


@dataclass(frozen=True)
class _Explainer:
    """A model with the data set and features that it is asked about."""

    dataset: Dataset
    store: FeatureStore
    predictor: Predictor
    queries: list[Query]
    """All queries that the model can answer."""
    deletion: str

    def find(self, query: Query, max_blocks: int) -> ImportantPast:
        task = self.predictor.task_for(query.kind)
        if not self.predictor.model.find_task(task).answer_classes:
            raise UserError(f"Explaining expects a model that chooses among classes, got one that writes ({task}).")
        classes = self.predictor.classes(task)
        mean = self._mean_frame if self.deletion == "mean" else None
        return find_important_past(
            self.predictor, classes, self.past(query), query,
            deletion=self.deletion, mean_frame=mean, max_blocks=max_blocks,
        )  # fmt: skip

    @property
    def may_ask(self) -> bool:
        """Whether the model answers questions that the data set does not ask."""
        model = self.predictor.model
        return any(model.find_task(name).query_kind == QUESTION for name in model.tasks)

    def past(self, query: Query) -> Past:
        video = self.store.read(query.video)
        return past_of(video.features, video.pts_seconds, query.time)

    @cached_property
    def _mean_frame(self) -> np.ndarray:
        """The mean over training videos, each counted once; it holds nothing of the video of the query."""
        videos = [video.video for video in self.dataset.split("train")]
        return np.mean(
            [np.asarray(self.store.read(name).features, np.float64).mean(axis=0) for name in videos], axis=0
        )


def _open(data: Path | str, model: Path | str, *, deletion: str, features: str | None, device: str) -> _Explainer:
    dataset, store = Dataset.load(data), open_features(data, [model], features)
    reasoner = load_model(Path(model), device, fingerprint=store.fingerprint)
    predictor = Predictor(reasoner, dataset.class_labels)
    return _Explainer(dataset, store, predictor, queries_for(reasoner, dataset), deletion)


def explain_prediction(
    data: Path | str,
    model: Path | str,
    video: str,
    time: float,
    out: Path | str,
    *,
    question: str | None = None,
    deletion: str = "remove",
    max_blocks: int = 256,
    features: str | None = None,
    device: str = "auto",
) -> str:
    """Finds the past frames that one prediction depends on, and draws them.

    Args:
        data: folder of the data set.
        model: folder of a run or model.
        video: name of the video.
        time: when the model is asked, in seconds.
        out: folder for important_past.svg, important_past.png and important_past.json.
        question: the question; needed if the data set has several queries at that time. A question that the data set
            does not have at that time is asked too, without a known answer.
        deletion: see `vidseq.explain.rescoring.DELETIONS`; the mean frame is that of the training videos.
        max_blocks: see `find_important_past`.
        features: the start of the name of a features folder; None: those that the model needs, see `open_features`.
        device: device of the model.

    Returns:
        a summary in words.

    Raises:
        UserError: there is no query at that time, or there are several; or the model writes its answers in words.
        DataError: the video does not exist.
        OSError: `out` cannot be written.
    """
    refuse_unwritable(Path(out))
    explainer = _open(data, model, deletion=deletion, features=features, device=device)
    query = find_query(explainer.queries, explainer.dataset, video, time, question, explainer.may_ask)
    found = explainer.find(query, max_blocks)
    out = Path(out)
    figure = important_past_figure(found, tiles_of(explainer.dataset, video, explainer.past(query)))
    save_figure(figure, out / "important_past")
    atomic_write(out / "important_past.json", json.dumps(as_record(found), indent=1) + "\n")
    return f"{in_words(found)}\n{out / 'important_past.svg'}"


def explain_predictions(
    data: Path | str,
    model: Path | str,
    out: Path | str,
    *,
    split: str = "test",
    limit: int | None = None,
    deletion: str = "remove",
    max_blocks: int = 64,
    features: str | None = None,
    device: str = "auto",
) -> str:
    """Finds the frames that each prediction depends on, for a split's queries with evidence; compares them with it.

    Args:
        data: folder of the data set.
        model: folder of a run or model.
        out: folder for important_past.csv, one row per query, and important_past_table.csv and .md.
        split: name of the split.
        limit: largest number of queries, evenly spaced among all; None: all.
        deletion: see `explain_prediction`.
        max_blocks: see `find_important_past`.
        features: see `explain_prediction`.
        device: device of the model.

    Returns:
        the table by family as Markdown.

    Raises:
        UserError: no query of the split has evidence, or the model answers none of those correctly.
        OSError: `out` cannot be written.
    """
    refuse_unwritable(Path(out))
    explainer = _open(data, model, deletion=deletion, features=features, device=device)
    videos = {video.video for video in explainer.dataset.split(split)}
    queries = [query for query in explainer.queries if query.video in videos and query.evidence]
    if not queries:
        raise UserError(f"Explaining expects queries with evidence in split '{split}', got none. Name one video.")
    if limit is not None and limit < 1:
        raise UserError(f"Explaining expects a limit of at least 1 query, got {limit}.")
    if limit is not None and limit < len(queries):
        queries = [queries[index] for index in np.linspace(0, len(queries) - 1, limit).round().astype(int)]
    found = [explainer.find(query, max_blocks) for query in progress(queries, what="Explaining", unit="query")]
    rows = important_past_rows(found, [explainer.dataset.group_of(query.video) for query in queries])
    table = important_past_table(rows)
    write_table(rows, Path(out) / "important_past.csv")
    write_table(table, Path(out) / "important_past_table.csv")
    write_table(_readable(table), Path(out) / "important_past_table.md")
    share = f"{int(rows['correct'].sum())} of {len(rows)} predictions are right; the table is of those."
    return f"{to_markdown(_readable(table), 2)}\n{share} Deleting: {deletion}. In brackets: 95% intervals over groups."


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """Formats each number with its interval in one cell."""
    shown = table[["family"]].copy()
    for name in MEANS:
        ends = zip(table[name], table[f"{name}_low"], table[f"{name}_high"])
        shown[name.replace("_", " ")] = ["–" if a != a else f"{a:.2f} [{b:.2f}, {c:.2f}]" for a, b, c in ends]
    rest = table[["chance", "sufficient_frames", "needs_none", "num_queries", "num_groups"]]
    return pd.concat([shown, rest.rename(columns=lambda name: str(name).replace("_", " "))], axis=1)


def find_query(
    queries: Sequence[Query], dataset: Dataset, video: str, time: float, question: str | None, may_ask: bool
) -> Query:
    """Finds the query at a time of a video, by its question if one is given.

    Args:
        queries: all queries that the model can answer.
        dataset: the data set of the videos.
        video: name of the video.
        time: time of the query, in seconds.
        question: text of the question; None: the only query at that time.
        may_ask: whether the model answers questions that are not among the queries.

    Raises:
        UserError: no query is found, or several are, or the time is after the video's end.
        DataError: the video does not exist.
    """
    dataset.queries_of(video)  # raises for a video that does not exist
    duration = dataset.videos[video].duration
    if time > duration:
        raise UserError(f"Explaining expects a time within '{video}', which ends at {duration:g} s, got {time:g} s.")
    own = [query for query in queries if query.video == video]
    then = [query for query in own if abs(query.time - time) <= SAME_TIME_SECONDS]
    if question is not None:
        then = [query for query in then if query.question == question]
        if not then and may_ask:
            return Query(video=video, time=time, kind=QUESTION, question=question, answer="")
    if len(then) == 1:
        return then[0]
    if then:
        asked = "; ".join(query.question or "What happens next?" for query in then[:3])
        raise UserError(
            f"Explaining expects one query at {time:g} s of '{video}', got {len(then)}: {asked}. Name it: --question."
        )
    near = sorted({query.time for query in own}, key=lambda other: abs(other - time))[:3]
    times = ", ".join(f"{round(other, 3):.12g}" for other in near) or "never"
    raise UserError(
        f"Explaining expects a query at {time:g} s of '{video}', got none. "
        f"Give --question, or a time with a query; the nearest: {times}."
    )


def in_words(found: ImportantPast) -> str:
    """Returns a summary in words."""
    says = f"The model says '{found.prediction}' ({found.probability:.0%})"
    if found.query.answer:
        says += ", which is right" if found.query.answer == found.prediction else f"; right is '{found.query.answer}'"
    peak = found.peak
    if peak is None:
        costs = "No block of the past alone costs it much"
    else:
        start, end = (float(found.pts_seconds[index]) for index in (peak.start, peak.stop - 1))
        costs = (
            f"Deleting {count_frames(peak.width)} at {start:.2f} to {end:.2f} s costs most: "
            f"{100 * peak.loss:.0f} points of probability"
        )
    kept = int(found.sufficient.sum())
    spans = ", ".join(f"{start:.2f} to {end:.2f} s" for start, end in found.intervals(found.sufficient)[:4])
    suffice = f"{count_frames(kept)} of {len(found.sufficient)} suffice{'s' if kept == 1 else ''} ({spans})"
    needs = suffice if kept else "The question alone suffices"
    parts = [says, costs, needs]
    agrees = agreement(found)
    if not math.isnan(agrees.iou):
        parts.append(f"Overlap with the true evidence: {agrees.iou:.2f} (intersection over union)")
    return ". ".join(parts) + "."


def as_record(found: ImportantPast) -> dict[str, object]:
    """Returns the important past as plain values for JSON; times in seconds."""
    times, peak = found.pts_seconds, found.peak

    def block(start: int, stop: int, loss: float) -> list[float]:
        return [float(times[start]), float(times[stop - 1]), round(loss, 6)]

    scores = {name: None if math.isnan(value) else value for name, value in agreement(found)._asdict().items()}
    return {
        "video": found.query.video,
        "time": found.query.time,
        "question": found.query.question,
        "answer": found.query.answer or None,
        "prediction": found.prediction,
        "probability": found.probability,
        "deletion": found.deletion,
        "share": found.share,
        "num_frames": len(times),
        "num_answers": found.num_answers,
        "peak": None if peak is None else block(*peak),
        "sufficient_seconds": [float(times[index]) for index in np.flatnonzero(found.sufficient)],
        "sufficient_probability": found.sufficient_probability,
        "evidence": [list(interval) for interval in found.query.evidence],
        "agreement": dict.fromkeys(Agreement._fields) | scores,
        "levels": [{"frames": width, "blocks": [block(*b) for b in blocks]} for width, blocks in found.levels.items()],
    }
