"""The report of an audit: Markdown, and one page of HTML."""

from collections.abc import Sequence

import pandas as pd

from vidseq.audit.entries import audit_entries, display_name
from vidseq.audit.findings import LEVEL, MARGIN, Alarm, Verdict, accuracy_of
from vidseq.evaluation.intervals import plus_minus
from vidseq.reporting.inline_svg import drawn_pixels, inline_svg
from vidseq.reporting.pages import render_page
from vidseq.reporting.tables import to_markdown

#: Headline of each verdict.
HEADLINES = {
    "long": "needs more than the short window",
    "past": "needs some of the past",
    "nothing shown": "no evidence that it needs the past",
    "nothing learnt": "nothing can be said",
}


def accuracy_table(rows: pd.DataFrame, short_seconds: float) -> pd.DataFrame:
    """Tabulates the accuracy of each probe: family, probe, sees, accuracy, low, high, num_queries, num_groups."""
    entries = audit_entries(short_seconds)
    lines = []
    for family, part in rows.groupby("family", sort=False):
        found = accuracy_of(part)
        for name, entry in entries.items():
            if name in found:
                interval = found[name]
                lines.append(
                    {
                        "family": family,
                        "probe": name,
                        "sees": entry.sees,
                        "accuracy": interval.mean,
                        "low": interval.low,
                        "high": interval.high,
                        "num_queries": interval.num_queries,
                        "num_groups": interval.num_groups,
                    }
                )
    return pd.DataFrame(lines)


def summary(alarms: Sequence[Alarm], verdicts: Sequence[Verdict]) -> str:
    """Sums up all families and alarms in a sentence or two."""
    parts = []
    for needs, headline in HEADLINES.items():
        families = [verdict.family for verdict in verdicts if verdict.needs == needs]
        if families:
            parts.append(f"{headline}: {', '.join(families)}")
    number = f"{len(alarms)} shortcut alarm{'' if len(alarms) == 1 else 's'}" if alarms else "no shortcut alarm"
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}. {number[:1].upper()}{number[1:]}."


def as_markdown(
    alarms: Sequence[Alarm], verdicts: Sequence[Verdict], notes: Sequence[str], table: pd.DataFrame, name: str
) -> str:
    """Writes the report as Markdown."""
    lines = [f"# {name}: does it need long context?", "", summary(alarms, verdicts), "", "## Shortcuts", ""]
    lines += [f"* **{alarm.name}**: {alarm.text}" for alarm in alarms] or ["No alarm."]
    lines += ["", "## By family", ""]
    lines += [
        f"* **{verdict.family}** ({verdict.num_queries} queries, {verdict.num_groups} groups): {verdict.text}"
        for verdict in verdicts
    ]
    lines += ["", "## What each probe gets right, %", "", to_markdown(_wide(table)).rstrip(), ""]
    return "\n".join([*lines, *(f"* {line}" for line in [*_legend(table), *notes, *_method()])]) + "\n"


def as_html(
    alarms: Sequence[Alarm],
    verdicts: Sequence[Verdict],
    notes: Sequence[str],
    table: pd.DataFrame,
    name: str,
    svg: str,
) -> str:
    """Renders the report as one page, the figure inside; no script, nothing from the network."""
    title = f"{name}: does it need long context?"
    return render_page(
        "audit.html",
        title=title,
        summary=summary(alarms, verdicts),
        alarms=alarms,
        verdicts=verdicts,
        figure=inline_svg(svg, "audit", f"What small probes get right on {name}"),
        pixels=drawn_pixels(svg),
        table=_wide(table),
        notes=[*_legend(table), *notes, *_method()],
    )


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    """Lays the table out: families down, probes across, percent with half the interval's width."""
    cells = [plus_minus(*ends) for ends in zip(table["accuracy"], table["low"], table["high"])]
    wide = table.assign(cell=cells).pivot(index="family", columns="probe", values="cell")
    wide = wide.loc[table["family"].drop_duplicates(), table["probe"].drop_duplicates()].fillna("–")
    wide.columns = [display_name(str(name)) for name in wide.columns]
    return wide.reset_index()


def _legend(table: pd.DataFrame) -> list[str]:
    probes = table.drop_duplicates("probe")
    return ["; ".join(f"{display_name(name)}: {sees}" for name, sees in zip(probes["probe"], probes["sees"])) + "."]


def _method() -> list[str]:
    return [
        "Every probe but the first two sees the question too. Probes learn from the split train and are evaluated on "
        "other groups. Pooled ones are kernel ridge regressions; the two that see the past in order are small "
        "attention heads, trained once.",
        f"±: 95% bootstrap over groups. Brackets: Student's t with errors over groups; the lower ends of all alarms, "
        f"and of all needs, hold together with {LEVEL:.0%} (Bonferroni). A need must be worth more than "
        f"{100 * MARGIN:g} point.",
        "A probe that fails proves nothing: a stronger model may still use what the probe could not.",
    ]
