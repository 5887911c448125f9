"""Runs `vidseq context`: a sweep over contexts, then summaries, tables and a report from its rows."""

import shlex
from pathlib import Path

import pandas as pd

from vidseq.context.certificates import model_certificates
from vidseq.context.report.write import write_report
from vidseq.context.summary import summarise, summary_text_table
from vidseq.context.sweep import Sweep, run_sweep
from vidseq.evaluation.intervals import FEW_GROUPS, VERY_FEW_GROUPS, rough_text
from vidseq.evaluation.rows import MODES
from vidseq.reporting.tables import to_markdown, write_table

#: Modes without certificates: their contexts are not lengths, or are answered by different models.
_NO_LENGTHS = ("density", "retrained")


def measure_context(
    sweep: Sweep, out: Path | str, *, workers: int = 1, overwrite: bool = False, line: str = "head"
) -> str:
    """Measures how much of the past models use, and writes rows, tables and a report to a folder.

    Args:
        sweep: the models, the data and the contexts.
        out: folder for rows.parquet, index.html with its figures and tables, and tables/certificates.csv.
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
    page = write_report(out, rows, command=command_of(sweep), line=line, summaries=summaries, overwrite=True)
    text = to_markdown(summary_text_table(summaries))
    return f"{text}\n{_notes(rows)}{page}: the report.\n"


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
