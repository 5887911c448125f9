"""Runs `vidseq evaluate`: scores trained models on a data set, and writes rows, tables and a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vidseq.checkpoint import load_model
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.accuracy_figure import context_figure, context_panels, family_panels
from vidseq.evaluation.calibration import COLUMNS, calibration_table, calibration_text
from vidseq.evaluation.calibration_figure import reliability_figure
from vidseq.evaluation.detection_tables import Detection, detect, detection_text, rank_frames, ranked_classes
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.frame_labels import frame_label_table, score_frames
from vidseq.evaluation.intervals import FEW_GROUPS, rough_text
from vidseq.evaluation.metrics import word_summary
from vidseq.evaluation.rows import Run, concatenate, write_rows
from vidseq.evaluation.run_description import describe_run
from vidseq.evaluation.tables import accuracy_table, pivot_accuracy
from vidseq.evaluation.timeline import add_rows, predicted_line
from vidseq.features.store import FeatureStore
from vidseq.inference.predictor import Predictor
from vidseq.model import VideoReasoner
from vidseq.reporting.figures import save_figure
from vidseq.reporting.tables import to_markdown, write_table
from vidseq.segmentation.segmenter import DECODINGS, FRAMES
from vidseq.tasks import DenseTask, of_family
from vidseq.tasks.queries import known_queries
from vidseq.timeline.builder import TimelineBuilder
from vidseq.timeline.content import Line
from vidseq.timeline.page import timeline_page


class LabelledFrames(NamedTuple):
    """A dense task of one model on a split."""

    videos: pd.DataFrame
    """A row for each video and decoding; see `score_frames`."""
    frames: pd.DataFrame
    """A row for each labelled frame, with the columns of `vidseq.evaluation.calibration.COLUMNS`."""
    detection: Detection
    """How well scores rank the frames."""
    lines: Mapping[str, Sequence[Line]]
    """The predicted segments of each video, a line for each decoding."""


class Measured(NamedTuple):
    """What models predicted about a split."""

    dataset: Dataset
    split: str
    answered: Sequence[pd.DataFrame]
    """Rows of queries, a table for each model that was asked."""
    labelled: Mapping[str, Sequence[LabelledFrames]]
    """By the name of the dense task."""


def evaluate_models(
    data: Path | str,
    models: Sequence[Path | str],
    *,
    split: str = "test",
    contexts: str = "full",
    controls: Sequence[str] = (),
    out: Path | str | None = None,
    features: str | None = None,
    device: str = "auto",
    limit: int | None = None,
) -> str:
    """Scores trained models on the queries of a data set, and on its frame labels.

    Args:
        data: folder of the data set.
        models: folders of runs or models.
        split: name of the split.
        contexts: see `vidseq.evaluation.contexts.parse_contexts`.
        controls: see `vidseq.evaluation.evaluator.evaluate`.
        out: folder for rows.parquet, accuracy.csv, accuracy.md, calibration.csv, a table for each dense task, such as
            frame_labels.csv, with frame_labels_detection.csv and frame_labels_classes.csv (average precision of
            frames), timeline.html, and figures as .svg and .png: calibration, one for each dense task, such as
            frame_labels_calibration, and, with two contexts or more, context; None: no files are written.
        features: the start of the name of a features folder; needed if there are several.
        device: device of the model.
        limit: largest number of queries, counted from the first; None: all.

    Returns:
        the tables as Markdown.

    Raises:
        UserError: no model has a task of the data set, or contexts or controls are wrong.
        FingerprintError: a model was trained on other features.
    """
    measured = measure_models(data, models, split=split, contexts=contexts, controls=controls, features=features,
                              device=device, limit=limit)  # fmt: skip
    folder = None if out is None else Path(out)
    text = _report(measured.answered, measured.labelled, folder, measured.dataset.info.name)
    if folder is not None:
        builder = TimelineBuilder(measured.dataset)
        add_measured(builder, measured)
        timeline_page(builder.build(f"{measured.dataset.info.name}, {split}"), folder / "timeline.html")
    return text


def measure_models(
    data: Path | str,
    models: Sequence[Path | str],
    *,
    split: str = "test",
    contexts: str = "full",
    controls: Sequence[str] = (),
    features: str | None = None,
    device: str = "auto",
    limit: int | None = None,
) -> Measured:
    """Asks trained models the queries of a split, and labels its frames; see `evaluate_models`."""
    dataset, store = Dataset.load(data), FeatureStore.open_in(data, features)
    answered: list[pd.DataFrame] = []
    labelled: dict[str, list[LabelledFrames]] = {}
    for folder in map(Path, models):
        model = load_model(folder, device, fingerprint=store.fingerprint)
        predictor = Predictor(model, dataset.class_labels)
        run = describe_run(folder, model)
        queries = queries_for(model, dataset)
        if queries:
            options = {"contexts": contexts, "controls": controls, "run": run, "limit": limit}
            answered.append(evaluate(predictor, dataset, store, split, queries=queries, **options))  # type: ignore[arg-type]
        for name, task in of_family(model.tasks.values(), DenseTask).items():
            if task.fits(dataset):
                labelled.setdefault(name, []).append(_label_frames(predictor, task, dataset, store, split, run))
    if not answered and not labelled:
        raise UserError(f"Evaluation expects models with a task that '{dataset.info.name}' has, got none.")
    return Measured(dataset, split, answered, labelled)


def add_measured(builder: TimelineBuilder, measured: Measured) -> None:
    """Puts what models predicted on a timeline, with all videos of the split.

    Args:
        builder: of a timeline of the same data set.
        measured: from `measure_models`.
    """
    for video in measured.dataset.split(measured.split):
        builder.add_video(video.video)
    for part in (part for parts in measured.labelled.values() for part in parts):
        for name, lines in part.lines.items():
            for line in lines:
                builder.add_line(name, line)
    for rows in measured.answered:
        add_rows(builder, rows)


def queries_for(model: VideoReasoner, dataset: Dataset) -> list[Query]:
    """Returns the queries that a model is scored on: those of the data set, then those that its tasks derive."""
    return known_queries(map(model.find_task, model.tasks), dataset)


def _label_frames(
    predictor: Predictor, task: DenseTask, dataset: Dataset, store: FeatureStore, split: str, run: Run
) -> LabelledFrames:
    """Scores the labels of a split's frames in each decoding that the model offers."""
    classes, background = predictor.classes(task.name), task.background(dataset)
    causal = predictor.model.config.causal
    decodings = DECODINGS[:1] if task.segmenter is None else task.segmenter.decodings
    predicted: dict[str, dict[str, np.ndarray]] = {decoding: {} for decoding in decodings}
    names = [video.video for video in dataset.split(split)]
    true = {video: task.targets(dataset, video, store.read(video).pts_seconds, classes).numpy() for video in names}
    present, ranked, frames, lines = ranked_classes(true), {}, [], {}
    about = {"run": run.run, "head": run.head, "seed": run.seed}
    for video in names:
        probabilities = predictor.frame_labels(store.read(video).features, video, task=task.name)
        ranked[video] = probabilities[:, present]
        predicted[FRAMES][video] = probabilities.argmax(axis=1)
        for decoding in decodings[1:]:
            labels = predictor.decode_labels(probabilities, decoding, task=task.name, causal=causal)
            predicted[decoding][video] = labels
        times = np.append(store.read(video).pts_seconds, dataset.videos[video].duration)
        lines[video] = [
            predicted_line(f"{run.run} · {decoding}", labels[video], probabilities, times, classes)
            for decoding, labels in predicted.items()
        ]
        where = {"family": task.name, "group": dataset.group_of(video)}
        frames.append(pd.DataFrame({**about, **where, **_scores(probabilities, true[video])}))
    left_out = classes.index(background) if background in classes else None
    videos = [
        score_frames(labels, true, dataset, split, left_out, run=run, decoding=decoding)
        for decoding, labels in predicted.items()
    ]
    groups = {video: dataset.group_of(video) for video in names}
    detection = detect(rank_frames(ranked, true, groups, present), classes, left_out, {**about, "split": split})
    return LabelledFrames(pd.concat(videos, ignore_index=True), pd.concat(frames, ignore_index=True), detection, lines)


def _scores(probabilities: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of labelled frames that calibration needs, from probabilities (T, C) and classes (T,)."""
    known = np.flatnonzero(true >= 0)
    probabilities, true = probabilities[known].astype(float), true[known]
    return {
        "score": probabilities.max(axis=1),
        "correct": probabilities.argmax(axis=1) == true,
        "answer_score": probabilities[np.arange(len(true)), true],
    }


def _report(
    answered: Sequence[pd.DataFrame],
    labelled: Mapping[str, Sequence[LabelledFrames]],
    out: Path | None,
    dataset: str,
) -> str:
    parts, calibrated = [], {}
    if answered:
        rows = concatenate(answered)
        parts.append(_accuracy_text(rows))
        if "answer_tokens" in rows:
            parts.append(_words_text(rows))
        if out is not None:
            _write_answers(rows, out, dataset)
        calibrated["calibration"] = _longest(rows)
    for task, tables in labelled.items():
        labels = pd.concat([part.videos for part in tables], ignore_index=True)
        title = f"{task}:\n" if len(labelled) > 1 else ""
        parts.append(title + to_markdown(frame_label_table(labels, ["run", "head", "decoding"]), digits=1))
        if out is not None:
            write_table(labels, out / f"{task}.csv")
        parts += _detection(task, tables, out)
        frames = pd.concat([part.frames for part in tables], ignore_index=True)
        if len(frames):
            calibrated[f"{task}_calibration"] = frames
    return "\n".join([*parts, _calibration(calibrated, out, dataset)])


def _detection(task: str, tables: Sequence[LabelledFrames], out: Path | None) -> list[str]:
    """Writes how well scores rank the frames. Returns the table as text; nothing where no model has one."""
    of_class, means = (pd.concat(column, ignore_index=True) for column in zip(*(part.detection for part in tables)))
    if not len(means):
        return []
    if out is not None:
        write_table(of_class, out / f"{task}_classes.csv")
        write_table(means, out / f"{task}_detection.csv")
    return [detection_text(means)]


def _write_answers(rows: pd.DataFrame, out: Path, dataset: str) -> None:
    write_rows(rows, out / "rows.parquet")
    table = accuracy_table(rows)
    write_table(table, out / "accuracy.csv")
    write_table(table, out / "accuracy.md")
    if rows[rows["control"] == ""]["context"].nunique() > 1:
        families = rows["family"].nunique() > 1
        panels = family_panels(rows) if families else context_panels(rows)
        save_figure(context_figure(panels, title=f"{dataset}: accuracy against context"), out / "context")


def _calibration(calibrated: Mapping[str, pd.DataFrame], out: Path | None, dataset: str) -> str:
    """Writes how well probabilities fit; the keys are the names of figures. Returns the table as text."""
    table = calibration_table(pd.concat([part[list(COLUMNS)] for part in calibrated.values()], ignore_index=True))
    if out is not None:
        write_table(table, out / "calibration.csv")
        for name, part in calibrated.items():
            what = name.removesuffix("calibration").replace("_", " ")
            save_figure(reliability_figure(part, title=f"{dataset}: {what}probabilities and accuracy"), out / name)
    return calibration_text(table)


def _longest(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the models themselves at the longest context."""
    own = rows[rows["control"] == ""]
    return own[own["context_seconds"] == own["context_seconds"].max()]


def _words_text(rows: pd.DataFrame) -> str:
    """Formats the metrics of answers in words, by run and head at the longest context."""
    written = _longest(rows[rows["answer_tokens"].notna()])
    lines = [
        {"run": run, "head": head, **word_summary(part), "answers": len(part)}
        for (run, head), part in written.groupby(["run", "head"], sort=False)
    ]
    return to_markdown(pd.DataFrame(lines))


def _accuracy_text(rows: pd.DataFrame) -> str:
    """Formats accuracy by family and head at the longest context, and that of each control below it."""
    longest = rows[rows["control"] == ""]["context_seconds"].max()
    shown = rows[(rows["control"] != "") | (rows["context_seconds"] == longest)]
    family = shown["family"] + shown["control"].map(lambda control: f", {control}" if control else "")
    text = to_markdown(pivot_accuracy(shown.assign(family=family).sort_values("family", kind="stable")))
    num_groups = rows["group"].nunique()
    if num_groups < FEW_GROUPS:
        text += f"\n{rough_text(num_groups)}\n"
    return text
