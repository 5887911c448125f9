"""The header of a figure of answers: its title, how many queries it rests on, and a warning where these are few."""

import matplotlib
from matplotlib.figure import Figure, FigureBase

from vidseq.evaluation.accuracy_curve import ContextCurve
from vidseq.evaluation.intervals import FEW_GROUPS, VERY_FEW_GROUPS, rough_text
from vidseq.reporting.figures import ALARM, FONT, GREY
from vidseq.reporting.line_labels import short

#: Inches. Shown as wide as a phone, letters are about ten pixels high.
WIDTH, HEIGHT = 4.7, 3.75


def new_figure(title: str, subtitle: str, num_groups: int) -> Figure:
    """Makes a figure with nothing but a header; see `write_header`."""
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(WIDTH, HEIGHT))
        write_header(figure, title, subtitle, num_groups)
    return figure


def write_header(figure: FigureBase, title: str, subtitle: str, num_groups: int) -> None:
    """Writes the title, and a warning if intervals rest on few groups.

    Args:
        figure: a figure, or a part of one, of `WIDTH` times `HEIGHT`.
        title: what is shown; text of a data set, never read as a formula.
        subtitle: the number of queries, groups and trained models.
        num_groups: what intervals rest on.
    """
    left = 0.02
    figure.text(left, 0.985, short(title, 52), va="top", fontsize=10.5, fontweight="bold", parse_math=False)
    figure.text(left, 0.925, subtitle, va="top", fontsize=8, color=GREY, parse_math=False)
    if num_groups < FEW_GROUPS:
        very = num_groups < VERY_FEW_GROUPS
        figure.text(
            left, 0.88, rough_text(num_groups), va="top", fontsize=8, color=ALARM if very else GREY,
            fontweight="bold" if very else "normal",
        )  # fmt: skip


def queries_text(curve: ContextCurve, num_queries: int | None = None) -> str:
    """Says what a figure rests on: "1,200 queries, 40 groups, 2 trained models", or "2 seeds, a model a split".

    Args:
        curve: the one of most models.
        num_queries: if there are others than the curve's.
    """
    pooled = curve.num_splits > 1
    counts = (
        (curve.num_queries if num_queries is None else num_queries, "quer", "y", "ies"),
        (curve.num_groups, "group", "", "s"),
        (curve.num_seeds, "seed" if pooled else "trained model", "", "s"),
    )
    text = ", ".join(f"{number:,} {stem}{one if number == 1 else many}" for number, stem, one, many in counts)
    return f"{text}, a model a split" if pooled else text
