"""What `vidseq context` does: a sweep over contexts, then summaries and tables from its rows."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from vidseq.evaluation.certificates import model_certificates
from vidseq.evaluation.context_summary import curve_table, summarise, summary_table, summary_text_table
from vidseq.evaluation.intervals import FEW_GROUPS, VERY_FEW_GROUPS
from vidseq.evaluation.rows import MODES
from vidseq.evaluation.sweep import Sweep, run_sweep
from vidseq.evaluation.table import to_markdown, write_table


def measure_context(
    sweep: Sweep, out: Path | str, *, workers: int = 1, overwrite: bool = False, line: str = "head"
) -> str:
    """Measures how much of the past models use, to rows and tables in a folder.

    Args:
        sweep: models, data and what to ask.
        out: where to write rows.parquet, summary.csv, summary.md, curves.csv and certificates.csv.
        workers: processes.
        overwrite: begin anew where another sweep's files are.
        line: the column whose values are told apart, "head" or "run".

    Returns:
        the summary as Markdown.

    Raises:
        UserError: see `run_sweep`.
    """
    out = Path(out)
    rows = run_sweep(sweep, out, workers=workers, overwrite=overwrite)
    summaries = summarise(rows, line=line)
    text_table = summary_text_table(summaries)
    write_table(summary_table(summaries), out / "summary.csv")
    write_table(text_table, out / "summary.md")
    write_table(curve_table(summaries), out / "curves.csv")
    certificates = [
        model_certificates(part).assign(mode=mode) for (mode, _), part in rows.groupby(["mode", "head"], sort=False)
    ]
    write_table(pd.concat(certificates, ignore_index=True), out / "certificates.csv")
    return f"{to_markdown(text_table)}\n{_notes(rows['mode'].unique(), rows['group'].nunique())}"


def _notes(modes: Iterable[str], num_groups: int) -> str:
    notes = [f"{mode}: {MODES[mode]}." for mode in modes]
    notes.append("Percent with 95% intervals by bootstrap over groups, seeds inside; differences paired by query.")
    if num_groups < VERY_FEW_GROUPS:
        notes.append(f"Only {num_groups} groups: intervals are rough.")
    elif num_groups < FEW_GROUPS:
        notes.append(f"{num_groups} groups: {FEW_GROUPS} or more make intervals reliable.")
    return "\n".join(notes) + "\n"
