"""Runs `vidseq context`: a sweep over contexts, then summaries, tables and a report from its rows."""

import shlex
from pathlib import Path

import pandas as pd

from vidseq.context.certificates import model_certificates
from vidseq.context.report.tables import Table
from vidseq.context.report.write import write_report
from vidseq.context.segments import segment_table, sweep_segments
from vidseq.context.summary import summarise, summary_text_table
from vidseq.context.sweep import Sweep, run_sweep
from vidseq.evaluation.contexts import parse_contexts
from vidseq.evaluation.intervals import FEW_GROUPS, VERY_FEW_GROUPS, rough_text
from vidseq.evaluation.rows import MODES
from vidseq.reporting.tables import to_markdown, write_table

#: Modes in which trained models are shown the lengths that were asked for.
_GIVEN = ("given", "truncated")
#: Modes without certificates: their contexts are not lengths, or are answered by different models.
_NO_LENGTHS = ("density", "retrained")


def measure_context(
    sweep: Sweep, out: Path | str, *, workers: int = 1, overwrite: bool = False, line: str = "head"
) -> str:
    """Measures how much of the past models use, and writes rows, tables and a report to a folder.

    Args:
        sweep: the models, the data and the contexts.
        out: folder for rows.parquet, index.html with its figures and tables, and tables/certificates.csv; for frame
            labels, also segments.parquet, see `segments_by_context`.
        workers: number of processes.
        overwrite: start again if the folder holds another sweep.
        line: the column whose values get a line each, "head" or "run".

    Returns:
        the summary as Markdown.

    Raises:
        UserError: see `run_sweep`.
    """
    out = Path(out)
    rows = run_sweep(sweep, out, workers=workers, overwrite=overwrite)
    summaries = summarise(rows, line=line)
    certificates = [
        model_certificates(part).assign(mode=mode)
        for (mode, _), part in rows.groupby(["mode", line], sort=False)
        if mode not in _NO_LENGTHS
    ]
    if certificates:
        write_table(pd.concat(certificates, ignore_index=True), out / "tables" / "certificates.csv")
    segments = _segments(sweep, rows, out, workers, line)
    page = write_report(
        out, rows, command=command_of(sweep), line=line, summaries=summaries, more_tables=segments, overwrite=True
    )
    text = to_markdown(summary_text_table(summaries))
    texts = [f"{table.title}:\n{to_markdown(table.shown)}\n" for table in segments]
    return f"{text}\n{''.join(texts)}{_notes(rows)}{page}: the report.\n"


def command_of(sweep: Sweep) -> str:
    """Returns the command that runs the same sweep; options with default values are left out."""
    words = ["vidseq", "context", "--data", str(sweep.data)]
    for folder in sweep.models:
        words += ["--model", str(folder)]
    usual = Sweep(data=sweep.data, models=())
    for name in ("split", "contexts", "controls", "vary", "seeds", "features", "limit", "frame_labels_every"):
        value = getattr(sweep, name)
        if value != getattr(usual, name):
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words += [f"--{name.replace('_', '-')}", text or "none"]
    return shlex.join(words)


def _segments(sweep: Sweep, rows: pd.DataFrame, out: Path, workers: int, line: str) -> list[Table]:
    """The table of segments by context, where frame labels are swept at given lengths."""
    given = rows[rows["mode"].isin(_GIVEN) & (rows["control"] == "")]
    if sweep.frame_labels_every is None or not len(given):
        return []
    contexts = parse_contexts(list(dict.fromkeys(given["context"])))
    found = sweep_segments(sweep, list(dict.fromkeys(given["video"])), contexts, out, workers)
    title = f"Segments by context, a label every {sweep.frame_labels_every:g} s, as each decoding makes them"
    return [Table("segments", title, segment_table(found, line), found)]


def _notes(rows: pd.DataFrame) -> str:
    num_groups = rows["group"].nunique()
    notes = [f"{mode}: {MODES[mode]}." for mode in rows["mode"].unique()]
    notes.append("Percent with 95% intervals by bootstrap over groups, seeds inside; differences paired by query.")
    if rows["reach_seconds"].isna().all():
        notes.append("No evidence is annotated: leak, memory horizon and what certificates are compared with need it.")
    if num_groups < VERY_FEW_GROUPS:
        notes.append(rough_text(num_groups))
    elif num_groups < FEW_GROUPS:
        notes.append(f"{num_groups} groups: {FEW_GROUPS} or more make intervals reliable.")
    return "\n".join(notes) + "\n"
