"""Commands that measure models and data sets."""

from pathlib import Path
from typing import Literal

from vidseq.data.words import comma_words
from vidseq.errors import UserError


def evaluate(
    data: Path,
    model: list[Path],
    *,
    split: str = "test",
    contexts: str = "full",
    controls: list[str] | None = None,
    out: Path | None = None,
    features: str | None = None,
    device: str = "auto",
    limit: int | None = None,
    recall: int | None = None,
    similar: float | None = None,
    similarity: dict[str, float] | None = None,
    plans: int | None = None,
    ensemble: bool = False,
) -> None:
    """Scores models on a data set: a table by family, a row a query, a figure over contexts.

    Args:
        data: folder of the data set.
        model: folder of a run or model; may be repeated.
        split: the videos to use.
        contexts: lengths of the past to show, such as 1f,1s,2s,...,full.
        controls: baselines beside the models, such as blind,last_frame,swapped_past:30s,majority; all: those that fit.
        out: folder for rows.parquet, tables, figures and timeline.html.
        features: start of the name of the features' folder; those that the models need if left out.
        device: where to compute: auto, cpu, cuda or mps.
        limit: only the first N queries.
        recall: class-mean recall of the first N answers, as they are and adjusted for rare classes.
        similar: pool forecasts with similar moments; the weight of the model, such as 0.5.
        similarity: what makes moments similar, such as {done: 1, length: 0.4}.
        plans: of N sequences of coming actions, drawn for each moment, the best counts.
        ensemble: also score the mean of the models' frame labels.
    """
    from vidseq.evaluation.models import ModelReport, evaluate_models
    from vidseq.evaluation.recall_report import RecallReport
    from vidseq.forecasting.forecast_report import ForecastReport
    from vidseq.forecasting.plan_report import PlanReport
    from vidseq.forecasting.similar_moments import Similarity

    also: list[ModelReport] = [ForecastReport(similar, Similarity.of(similarity or {}))]
    also += [] if plans is None else [PlanReport(plans)]
    also += [] if recall is None else [RecallReport(recall)]
    print(evaluate_models(data, model, split=split, contexts=contexts, controls=comma_words(*controls or ()), out=out,
                          features=features, device=device, limit=limit, also=also, ensemble=ensemble))  # fmt: skip
    if out is not None:
        print(f"\n{out}: the rows, these tables and figures. Open {out / 'timeline.html'} to look at the predictions.")


def timeline(
    out: Path,
    *,
    data: Path | None = None,
    model: list[Path] | None = None,
    rows: list[Path] | None = None,
    figure: Path | None = None,
    split: str = "test",
    video: list[str] | None = None,
    limit: int = 50,
    features: str | None = None,
    device: str = "auto",
) -> None:
    """Writes one HTML page of what models predict about videos, beside the truth and the video.

    Args:
        out: the page.
        data: folder of the data set, which has the truth; rows alone do without.
        model: folder of a run or model to ask; may be repeated.
        rows: file rows.parquet of vidseq evaluate, or .jsonl of vidseq predict; may be repeated.
        figure: start of the names of an .svg and a .png of each video, for a paper.
        split: the videos to ask models about.
        video: a video to show; may be repeated; the first ones if left out.
        limit: most videos, if none is named.
        features: start of the name of the features' folder; those that the models need if left out.
        device: where to compute: auto, cpu, cuda or mps.
    """
    from vidseq.evaluation.write_timeline import write_timeline

    print(write_timeline(out, data=data, models=model or [], rows=rows or [], figure=figure, split=split,
                         videos=video or [], limit=limit, features=features, device=device))  # fmt: skip


def context(
    *,
    data: Path,
    model: list[Path],
    out: Path,
    contexts: str = "1f,1s,2s,...,full",
    controls: str = "all",
    vary: str = "given",
    seeds: str = "",
    split: str = "test",
    features: str | None = None,
    device: str = "auto",
    workers: int = 1,
    limit: int | None = None,
    frame_labels_every: float | None = None,
    overwrite: bool = False,
) -> None:
    """Measures how much of the past models use; the same command goes on where it stopped.

    Args:
        data: folder of the data set.
        model: folder of a run; may be repeated. Seeds of one head are one line.
        out: folder for rows and tables, new or of the same sweep.
        contexts: lengths of the past to show, such as 1f,1s,2s,...,full.
        controls: baselines beside the models, such as blind,swapped_past:30s,ngram:2; all or none.
        vary: what the lengths mean, some of given (truncated where a run never saw short contexts), density,
            extrapolated, retrained (trains a model for each length).
        seeds: seeds of retrained models, such as 0,1,2; those of the runs if left out.
        split: the videos to use.
        features: start of the name of the features' folder; those that the models need if left out.
        device: where to compute: auto, cpu, cuda or mps.
        workers: processes at the same time.
        limit: only the first N queries.
        frame_labels_every: query frame labels every X seconds, in place of the data set's queries.
        overwrite: replace the files of another sweep.
    """
    from vidseq.context.measure import measure_context
    from vidseq.context.sweep import Sweep

    sweep = Sweep(data=data, models=tuple(model), split=split, contexts=contexts, controls=comma_words(controls),
                  vary=comma_words(vary), seeds=_whole_numbers("seeds", seeds), features=features, limit=limit,
                  device=device, frame_labels_every=frame_labels_every)  # fmt: skip
    print(measure_context(sweep, out, workers=workers, overwrite=overwrite))


def explain(
    data: Path,
    model: Path,
    *,
    out: Path,
    video: str | None = None,
    time: float | None = None,
    question: str | None = None,
    deletion: Literal["remove", "mean"] = "remove",
    split: str = "test",
    features: str | None = None,
    device: str = "auto",
    limit: int | None = None,
) -> None:
    """Finds the past frames that a prediction rests on, by deleting frames and predicting again.

    Args:
        data: folder of the data set.
        model: folder of a run or model.
        out: folder for the strip of frames and the numbers, or for the tables.
        video: a video; all queries of a split that have evidence if left out.
        time: time of the query, in seconds.
        question: question of the query, if the data set has several or none at that time.
        deletion: remove frames, or replace them by the mean of the training frames.
        split: the videos to use, if no video is named.
        features: start of the name of the features' folder; those that the models need if left out.
        device: where to compute: auto, cpu, cuda or mps.
        limit: only N queries, if no video is named.
    """
    from vidseq.explain.run import explain_prediction, explain_predictions

    if (video is None) != (time is None):
        raise UserError("Explaining expects --video and --time together, or neither for a whole split, got one.")
    if video is None or time is None:
        print(explain_predictions(data, model, out, split=split, limit=limit, deletion=deletion, features=features,
                                  device=device))  # fmt: skip
    else:
        print(explain_prediction(data, model, video, time, out, question=question, deletion=deletion,
                                 features=features, device=device))  # fmt: skip


def report(
    rows: Path,
    out: Path,
    *,
    title: str = "",
    command: str = "",
    line: Literal["head", "run"] = "head",
    overwrite: bool = False,
) -> None:
    """Writes the report of measured rows: a page, figures, tables. Needs no model.

    Args:
        rows: the file rows.parquet of an evaluation or sweep.
        out: folder of the report.
        title: title of the page; the data set's name if left out.
        command: command that made the rows, for the captions.
        line: what a line of a figure is: a head with all its seeds, or a run.
        overwrite: replace a report that is there.
    """
    from vidseq.context.report.write import write_report
    from vidseq.evaluation.rows import read_rows

    print(write_report(out, read_rows(rows), title=title, command=command, line=line, overwrite=overwrite))


def audit(
    data: Path,
    *,
    out: Path,
    split: str = "test",
    short: float = 4.0,
    anticipation: float = 1.0,
    epochs: int = 15,
    features: str | None = None,
) -> None:
    """Measures by small probes whether a data set needs long context, and finds shortcuts.

    Args:
        data: folder of the data set, with features.
        out: folder for the page, the tables, the figure and the rows.
        split: the videos to query; probes learn from train.
        short: seconds of the past that short probes see.
        anticipation: seconds from query to action, for a data set without queries.
        epochs: epochs of the two probes that see the past in order; 0: leave them out.
        features: start of the name of the features' folder, if there are several.
    """
    import dataclasses

    from vidseq.audit.audit import ORDERED_TRAINING, audit_dataset
    from vidseq.audit.report import summary

    if epochs < 0:
        raise UserError(f"--epochs expects a whole number from 0, got {epochs}.")
    training = dataclasses.replace(ORDERED_TRAINING, epochs=epochs) if epochs else None
    audit = audit_dataset(data, out, split=split, short_seconds=short, anticipation_seconds=anticipation,
                          training=training, features=features)  # fmt: skip
    print((out / "audit.md").read_text(encoding="utf-8"), end="")
    print(f"\n{summary(audit.alarms, audit.verdicts)}")


def _whole_numbers(option: str, text: str) -> tuple[int, ...]:
    words = comma_words(text)
    if not all(word.isdecimal() for word in words):
        raise UserError(f"--{option} expects whole numbers such as 0,1,2, got '{text}'.")
    return tuple(int(word) for word in words)
