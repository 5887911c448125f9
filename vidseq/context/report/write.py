"""Writes a report: a page, its figures and tables as files beside it, and the rows that all of it is made from."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vidseq import __version__
from vidseq.claims import refuse_existing
from vidseq.context.report.lines import USE_OR_NEED, Group, ceiling_of, curves_of, group_summaries, styles_of
from vidseq.context.report.other_figures import (
    calibration_figure,
    certificate_figure,
    certificates_of,
    evidence_age_figure,
)
from vidseq.context.report.page import Page, Picture, Section, render
from vidseq.context.report.tables import Table, tables_of, write_tables
from vidseq.context.report.words import findings
from vidseq.context.summary import ContextSummary, summarise
from vidseq.evaluation.accuracy_figure import BANDS, figure_notes, panel_figure
from vidseq.evaluation.accuracy_panel import Panel
from vidseq.evaluation.cross_validation import num_splits
from vidseq.evaluation.rows import MODES, check_rows, write_rows
from vidseq.files import atomic_write
from vidseq.progress import progress
from vidseq.reporting.figures import LineStyle, save_figure

#: Modes in which each query is asked of one model at every length, so that it has a certificate.
_MODES_WITH_CERTIFICATES = ("given", "truncated", "extrapolated")


def write_report(
    folder: Path | str,
    rows: pd.DataFrame,
    *,
    title: str = "",
    command: str = "",
    line: str = "head",
    summaries: Sequence[ContextSummary] | None = None,
    more_tables: Sequence[Table] = (),
    overwrite: bool = False,
) -> Path:
    """Writes index.html, figures/*.svg and *.png, tables/*.csv, *.md and *.tex, and rows.parquet.

    The same rows give the same bytes. Rows of different modes never share a figure.

    Args:
        folder: where to; made if it is missing. Files of other names in it are left alone.
        rows: of models at two contexts or more, with controls; see `vidseq.evaluation.rows.Row`.
        title: of the page; made from the data sets if left out.
        command: what made the rows; it stands below every figure.
        line: the column whose values are the lines, "head" or "run".
        summaries: of the same rows and line, see `summarise`; None: made here.
        more_tables: tables that rows do not hold; they stand in the first section.
        overwrite: replace a report that is there.

    Returns:
        the page.

    Raises:
        UserError: a report is there already, or the rows do not suffice, see `summarise` and `check_rows`.
    """
    folder = Path(folder)
    refuse_existing(folder / "index.html", "A report", overwrite=overwrite)
    check_rows(rows, "A report")
    summaries = summarise(rows, line=line) if summaries is None else summaries
    groups, styles = group_summaries(summaries, rows, line), styles_of(summaries)
    datasets = ", ".join(dict.fromkeys(group.dataset for group in groups))
    keys = dict.fromkeys((group.dataset, group.split, group.mode) for group in groups)
    sections = []
    for index, key in enumerate(progress(list(keys), what="Drawing", unit="section")):
        of_key = [group for group in groups if (group.dataset, group.split, group.mode) == key]
        more = more_tables if index == 0 else ()
        sections.append(_section(f"{index + 1}_{key[2]}_", of_key, styles, more, several=len(keys) > 1))
    title = title or f"How much of the past is used: {datasets}"
    page = Page(title, what_was_asked(rows), command, sections, __version__)
    drawings = {}
    for picture in progress([p for s in sections for p in (*s.main, *s.families)], what="Saving", unit="figure"):
        svg, _ = save_figure(picture.figure, folder / "figures" / picture.name, tight=False)
        drawings[picture.name] = svg.read_text(encoding="utf-8")
    for section in sections:
        write_tables(section.tables, folder / "tables")
    write_rows(rows, folder / "rows.parquet")
    atomic_write(folder / "index.html", render(page, drawings))
    return folder / "index.html"


def what_was_asked(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Lists what the rows hold: names and values."""
    models = rows[["head", "run", "seed"]].drop_duplicates()
    curve = rows[rows["control"] == ""]
    contexts = curve.groupby("context")["context_seconds"].mean().sort_values().index
    queries = rows[["dataset", "split", "query"]].drop_duplicates()
    splits = rows[["dataset", "split"]].drop_duplicates().itertuples(index=False)
    each = ", a model a split" if num_splits(rows) > 1 else ""
    return [
        ("Data", "; ".join(f"{item.dataset}, split {item.split}" for item in splits)),
        (
            "Models",
            ", ".join(f"{head or 'model'} ({len(part)}{each})" for head, part in models.groupby("head", sort=False)),
        ),
        ("Runs", ", ".join(dict.fromkeys(models["run"]))),
        ("Seeds", ", ".join(str(seed) for seed in sorted(set(models["seed"])))),
        ("Queries", f"{len(queries):,} in {rows['group'].nunique():,} groups"),
        ("Families", ", ".join(dict.fromkeys(rows["family"]))),
        ("Contexts", ", ".join(contexts)),
        ("Controls", ", ".join(dict.fromkeys(rows.loc[rows["control"] != "", "control"])) or "none"),
    ]


def _section(
    stem: str, groups: Sequence[Group], styles: dict[str, LineStyle], more_tables: Sequence[Table], *, several: bool
) -> Section:
    everything, families = groups[0], groups[1:]
    assert everything.is_everything
    heading = USE_OR_NEED[everything.mode]
    if several:
        heading += f": {everything.dataset}, split {everything.split} ({everything.mode})"
    explanation = (
        f"Lengths here mean: {MODES[everything.mode]}. What a model uses and what a task needs are two curves."
    )
    main = _accuracy_pictures(f"{stem}all", "All families", everything, styles)
    main += _other_pictures(stem, everything, styles)
    of_families = [
        _accuracy_pictures(f"{stem}family{index + 1}", group.family, group, styles)[0]
        for index, group in enumerate(families)
    ]
    return Section(
        heading,
        explanation,
        findings(everything, families),
        main,
        of_families,
        [*tables_of(stem, groups), *more_tables],
    )


def _accuracy_pictures(name: str, title: str, group: Group, styles: dict[str, LineStyle]) -> list[Picture]:
    """Draws the eligible queries, if there are any, and then all queries."""
    pictures = []
    for eligible in (True, False) if group.has_eligible else (False,):
        about = f"with {group.longest:.3g} s of past or more" if eligible else "all queries"
        curves, ceiling = curves_of(group, eligible), ceiling_of(group, eligible)
        panel = Panel(f"{title}: {about}", curves, ceiling, by_frames=group.mode == "density")
        same = (
            f"Only queries with at least {group.longest:g} s of past: the same queries at every point."
            if eligible
            else "All queries: where there is less past than a context, all there is was shown."
        )
        caption = f"Accuracy against context. {same} {figure_notes([panel])}{_partial_controls(group)}"
        stem = f"{name}_{'eligible' if eligible else 'all_queries'}"
        pictures.append(Picture(stem, panel_figure(panel, styles), caption))
    return pictures


def _partial_controls(group: Group) -> str:
    """Names the controls that were put to some of the queries alone."""
    number = group.rows["query"].nunique()
    asked = group.rows[group.rows["control"] != ""].groupby("control", sort=False)["query"].nunique()
    partial = [str(name).replace("_", " ") for name in asked.index[asked < number]]
    return f" Put only to the queries that allow it: {', '.join(partial)}." if partial else ""


def _other_pictures(stem: str, group: Group, styles: dict[str, LineStyle]) -> list[Picture]:
    pictures = []
    ages = evidence_age_figure("How far back: evidence age", group, styles)
    if ages is not None:
        caption = (
            f"Accuracy with all of the past, by how long ago the newest evidence ended; bins double. {BANDS} "
            "All queries with known evidence. Dotted: the control blind."
        )
        pictures.append(Picture(f"{stem}evidence_age", ages, caption))
    if group.mode in _MODES_WITH_CERTIFICATES:
        figure = certificate_figure("Model certificates", group, certificates_of(group), styles)
        caption = (
            "Share of queries that are right with at most so much past and stay right with every longer one tested "
            "(trained models pooled; no interval). Dashed: share of queries whose evidence begins no longer ago, "
            "where it is known. A line far above it is right without the evidence: by guessing or by a shortcut."
        )
        pictures.append(Picture(f"{stem}certificates", figure, caption))
    caption = (
        "How far the probability of the prediction is from how often it is right: expected calibration error, "
        "15 bins, at each context (trained models pooled; no interval)."
    )
    pictures.append(
        Picture(f"{stem}calibration", calibration_figure("Calibration at each length", group, styles), caption)
    )
    return pictures
