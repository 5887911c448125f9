"""Runs `vidseq evaluate`: scores trained models on a data set, and writes rows, tables and a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import pandas as pd

from vidseq.checkpoint import load_model
from vidseq.claims import check_results_folder
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.accuracy_figure import context_figure, context_panels, family_panels
from vidseq.evaluation.calibration import COLUMNS, calibration_table, calibration_text
from vidseq.evaluation.calibration_figure import reliability_figure
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.intervals import FEW_GROUPS, rough_text
from vidseq.evaluation.labelled_frames import LabelledFrames, frame_texts, label_frames, write_frames
from vidseq.evaluation.metrics import word_summary
from vidseq.evaluation.rows import Run, concatenate, lines_apart, write_rows
from vidseq.evaluation.run_description import check_names, describe_run
from vidseq.evaluation.tables import accuracy_table, pivot_accuracy
from vidseq.evaluation.timeline import add_rows
from vidseq.features.store import FeatureStore
from vidseq.inference.ensemble import Ensemble
from vidseq.inference.model_features import open_features
from vidseq.inference.predictor import Predictor
from vidseq.model import VideoReasoner
from vidseq.reporting.figures import save_figure
from vidseq.reporting.tables import to_markdown, write_table
from vidseq.tasks import DenseTask, of_family
from vidseq.tasks.queries import known_queries
from vidseq.timeline.builder import TimelineBuilder
from vidseq.timeline.page import timeline_page


class Measured(NamedTuple):
    """What models predicted about a split."""

    dataset: Dataset
    split: str
    answered: Sequence[pd.DataFrame]
    """Rows of queries, a table for each model that was asked."""
    labelled: Mapping[str, Sequence[LabelledFrames]]
    """By the name of the dense task."""


class ModelReport(Protocol):
    """A further part of an evaluation, which has its own measures."""

    def add(self, predictor: Predictor, dataset: Dataset, store: FeatureStore, split: str, run: Run) -> bool:
        """Scores a model on a split. Returns whether it has something to report of it."""

    def finish(self, out: Path | None) -> list[str]:
        """Writes the files of all models, where there is a folder. Returns the tables as text."""


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
    also: Sequence[ModelReport] = (),
    ensemble: bool = False,
) -> str:
    """Scores trained models on the queries of a data set, and on its frame labels.

    Args:
        data: folder of the data set.
        models: folders of runs or models.
        split: name of the split.
        contexts: see `vidseq.evaluation.contexts.parse_contexts`.
        controls: see `vidseq.evaluation.evaluator.evaluate`.
        out: folder for rows.parquet, accuracy.csv, accuracy.md, calibration.csv, a table for each dense task, such as
            frame_labels.csv, with frame_labels_intervals.csv (means of the measures with intervals),
            frame_labels_detection.csv and frame_labels_classes.csv (average precision of frames),
            frame_labels_segments.parquet (a row a segment), frame_labels_segment_detection.csv and
            frame_labels_segment_classes.csv (average precision of segments), timeline.html, and figures as .svg and
            .png: calibration, one for each dense task, such as frame_labels_calibration, and, with two contexts or
            more, context; None: no files are written.
        features: the start of the name of a features folder; None: those that the models need, see `open_features`.
        device: device of the model.
        limit: largest number of queries, counted from the first; None: all.
        also: further parts of the evaluation.
        ensemble: also score the mean of all models' frame labels; see `Ensemble`.

    Returns:
        the tables as Markdown.

    Raises:
        UserError: no model has a task of the data set, contexts or controls are wrong, or `out` holds a run.
        FingerprintError: a model was trained on other features.
        OSError: `out` cannot be written; if the disk is full at the end, the tables are printed before.
    """
    if out is not None:
        check_results_folder(Path(out))
    measured = measure_models(data, models, split=split, contexts=contexts, controls=controls, features=features,
                              device=device, limit=limit, also=also, ensemble=ensemble)  # fmt: skip
    if out is None:
        return _tables(measured, None, split, also)
    try:
        return _tables(measured, Path(out), split, also)
    except OSError:
        print(_tables(measured, None, split, also), flush=True)
        raise


def _tables(measured: Measured, folder: Path | None, split: str, also: Sequence[ModelReport]) -> str:
    """The tables as Markdown; writes all files to a folder."""
    texts, name = [], measured.dataset.info.name
    if measured.answered or measured.labelled:
        texts.append(_report(measured.answered, measured.labelled, folder, name))
    if folder is not None:
        builder = TimelineBuilder(measured.dataset)
        add_measured(builder, measured)
        timeline_page(builder.build(f"{name}, {split}"), folder / "timeline.html")
    return "\n".join([*texts, *(text for part in also for text in part.finish(folder))])


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
    also: Sequence[ModelReport] = (),
    ensemble: bool = False,
) -> Measured:
    """Asks trained models the queries of a split, and labels its frames; see `evaluate_models`."""
    check_names(models, "Evaluation")
    dataset, store = Dataset.load(data), open_features(data, models, features)
    answered: list[pd.DataFrame] = []
    labelled: dict[str, list[LabelledFrames]] = {}
    reported, loaded = False, []
    for folder in map(Path, models):
        model = load_model(folder, device, fingerprint=store.fingerprint)
        predictor = Predictor(model, dataset.class_labels)
        run = describe_run(folder, model)
        loaded.append((model, run))
        queries = queries_for(model, dataset)
        if queries:
            options = {"contexts": contexts, "controls": controls, "run": run, "limit": limit}
            answered.append(evaluate(predictor, dataset, store, split, queries=queries, **options))  # type: ignore[arg-type]
        for name, task in of_family(model.tasks.values(), DenseTask).items():
            if task.fits(dataset):
                labelled.setdefault(name, []).append(label_frames(predictor, task, dataset, store, split, run))
        for part in also:
            reported |= part.add(predictor, dataset, store, split, run)
    if ensemble:
        together = Ensemble([model for model, _ in loaded], dataset.class_labels)
        run = Run(run=f"mean of {len(loaded)}", head=" + ".join(dict.fromkeys(run.head for _, run in loaded)))
        for name, parts in labelled.items():
            parts.append(label_frames(together, together.model.dense_task(name), dataset, store, split, run))
    if not answered and not labelled and not reported:
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


def _report(
    answered: Sequence[pd.DataFrame],
    labelled: Mapping[str, Sequence[LabelledFrames]],
    out: Path | None,
    dataset: str,
) -> str:
    parts, calibrated = [], {}
    if answered:
        rows = lines_apart(concatenate(answered))
        parts.append(_accuracy_text(rows))
        if "answer_tokens" in rows:
            parts.append(_words_text(rows))
        if out is not None:
            _write_answers(rows, out, dataset)
        calibrated["calibration"] = _longest(rows)
    for task, tables in labelled.items():
        texts = frame_texts(tables)
        parts += [f"{task}:\n{texts[0]}" if len(labelled) > 1 else texts[0], *texts[1:]]
        if out is not None:
            write_frames(task, tables, out)
        frames = pd.concat([part.frames for part in tables], ignore_index=True)
        if len(frames):
            calibrated[f"{task}_calibration"] = lines_apart(frames)
    if calibrated:
        parts.append(_calibration(calibrated, out, dataset))
    return "\n".join(parts)


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
