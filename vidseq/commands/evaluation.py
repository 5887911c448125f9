"""Verbs that measure models and data sets."""

from pathlib import Path
from typing import Literal

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
) -> None:
    """Scores models on a data set: a table by family, one row a query on disk, and a figure over contexts.

    Args:
        data: folder of the data set.
        model: a run's or model's folder; may be repeated.
        split: which videos.
        contexts: how much of the past to show, such as 1f,1s,2s,...,full.
        controls: blind, last_frame, shuffled, swapped_past, evidence_only, majority, repeat_last_label.
        out: folder for rows.parquet, tables and figures.
        features: which features, by the start of their folder's name; needed if there are several.
        device: where to compute.
        limit: only the first so many queries.
    """
    from vidseq.evaluation.models import evaluate_models

    print(evaluate_models(data, model, split=split, contexts=contexts, controls=controls or [], out=out,
                          features=features, device=device, limit=limit))  # fmt: skip


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
    """Measures how much of the past models use, and how much a data set needs; run again, it goes on.

    Args:
        data: folder of the data set.
        model: a run's folder; may be repeated. Runs of one head are one line, whatever their seeds.
        out: folder for rows.parquet and tables; a new one, or that of the same sweep.
        contexts: how much of the past to show, such as 1f,1s,2s,...,full.
        controls: all, or some, such as blind,last_frame,shuffled,swapped_past:30s,ngram:2; none for no control.
        vary: what the lengths mean, some of given (truncated where a run never saw short contexts), density,
            extrapolated, retrained (trains a model a length).
        seeds: of retrained models, such as 0,1,2; the runs' own if left out.
        split: which videos.
        features: which features, by the start of their folder's name; needed if there are several.
        device: where to compute.
        workers: processes.
        limit: only the first so many queries.
        frame_labels_every: ask for frame labels, one in every so many seconds, instead of queries.
        overwrite: begin anew where another sweep's files are.
    """
    from vidseq.context.measure import measure_context
    from vidseq.context.sweep import Sweep

    sweep = Sweep(data=data, models=tuple(model), split=split, contexts=contexts, controls=_words(controls),
                  vary=_words(vary), seeds=_whole_numbers("seeds", seeds), features=features, limit=limit,
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
    """Finds which past frames a prediction rests on, by deleting frames and asking again.

    Args:
        data: folder of the data set.
        model: a run's or model's folder.
        out: folder for the strip and the numbers, or for the tables.
        video: which video; without one, all queries with evidence of a split, as a table by family.
        time: when the model is asked, in seconds.
        question: what is asked, where the data set asks several things then or something else.
        deletion: remove takes frames out, mean replaces them by the training videos' mean frame.
        split: which videos, where none is named.
        features: which features, by the start of their folder's name; needed if there are several.
        device: where to compute.
        limit: only so many queries, where no video is named.
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
    """Writes the report of rows that were measured before: one page, figures, tables. Needs no model.

    Args:
        rows: rows.parquet, as evaluation writes it.
        out: folder of the report.
        title: of the page; made from the data set's name if left out.
        command: what made the rows, told below every figure.
        line: what the lines of figures are, heads with all their seeds or single runs.
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
    """Says by family whether a data set needs long context, and where a shortcut answers it, by small probes.

    Args:
        data: folder of the data set, with features.
        out: folder for audit.md, audit.html, audit.csv, the figure and rows.parquet.
        split: which videos to ask about; probes learn from train.
        short: how much of the past the short probes see, in seconds.
        anticipation: how long before a segment its action is asked, in seconds, where the data set asks nothing.
        epochs: of the two probes that see the past in order; 0 leaves them out, for seconds instead of minutes.
        features: which features, by the start of their folder's name; needed if there are several.
    """
    import dataclasses

    from vidseq.audit.audit import ORDERED_TRAINING, audit_dataset
    from vidseq.audit.report import summary

    training = dataclasses.replace(ORDERED_TRAINING, epochs=epochs) if epochs else None
    audit = audit_dataset(data, out, split=split, short_seconds=short, anticipation_seconds=anticipation,
                          training=training, features=features)  # fmt: skip
    print((out / "audit.md").read_text(encoding="utf-8"), end="")
    print(f"\n{summary(audit.alarms, audit.verdicts)}")


def _words(text: str) -> tuple[str, ...]:
    """A list with commas; none for "none"."""
    return tuple(word.strip() for word in text.split(",") if word.strip() not in ("", "none"))


def _whole_numbers(option: str, text: str) -> tuple[int, ...]:
    words = _words(text)
    if not all(word.isdecimal() for word in words):
        raise UserError(f"--{option} expects whole numbers such as 0,1,2, got '{text}'.")
    return tuple(int(word) for word in words)
