"""Tables and the figure, made from the rows of a planted model."""

import matplotlib.axes
import matplotlib.image
import matplotlib.text
import numpy as np
import pandas as pd
import pytest

from vidseq.errors import UserError
from vidseq.evaluation.accuracy_curve import eligible_seconds
from vidseq.evaluation.accuracy_figure import (
    BANDS,
    context_figure,
    context_panels,
    family_panels,
    figure_notes,
    rows_panel,
)
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.rows import Run, concatenate
from vidseq.evaluation.tables import accuracy_table, pivot_accuracy
from vidseq.reporting.figures import save_figure
from vidseq.reporting.line_labels import LABEL_HEIGHT, spread_labels
from vidseq.reporting.tables import to_markdown, write_table


@pytest.fixture
def rows(query_set, planted_model):
    tables = [
        evaluate(planted_model, *query_set, "test", contexts="1f,2s,...,full", controls=["blind", "shuffled"], run=run)
        for run in (Run(run="one", head="lstm"), Run(run="two", head="memory"))
    ]
    return concatenate(tables)


def test_accuracy_table(rows):
    table = accuracy_table(rows)
    line = table[(table["family"] == "age24") & (table["head"] == "lstm") & (table["context"] == "full")]
    line = line[line["control"] == ""].iloc[0]
    assert line[["accuracy", "low", "high", "ceiling", "num_queries", "num_groups"]].tolist() == [1, 1, 1, 1, 20, 10]
    assert len(table) == 3 * 2 * 9  # families, heads, contexts and controls
    assert "ceiling" not in accuracy_table(rows.assign(ceiling=np.nan), ["head"]).columns


def test_pivot(rows):
    wide = pivot_accuracy(rows[(rows["context"] == "full") & (rows["control"] == "")])
    assert wide.to_numpy().tolist() == [[f"age{age}", "100.0 ±0.0", "100.0 ±0.0", 20, 10] for age in (0, 6, 24)]


def test_seeds_do_not_multiply_queries(rows):
    one = rows[rows["head"] == "lstm"]
    two = concatenate([one, one.assign(seed=1)])
    assert accuracy_table(two)["num_queries"].equals(accuracy_table(one)["num_queries"])


def test_markdown():
    table = pd.DataFrame({"name": ["a|b", None], "value": [0.12345, np.nan], "n": [3, 10]})
    assert to_markdown(table) == (
        "| name | value |   n |\n|------|------:|----:|\n| a\\|b | 0.123 |   3 |\n| –    |     – |  10 |\n"
    )


def test_tables_are_written(tmp_path):
    table = pd.DataFrame({"a": [1]})
    write_table(table, tmp_path / "t.csv")
    write_table(table, tmp_path / "t.md")
    assert (tmp_path / "t.csv").read_text() == "a\n1\n"
    assert (tmp_path / "t.md").read_text() == to_markdown(table)
    with pytest.raises(UserError, match=r"ends in .md, .tex, .csv, got"):
        write_table(table, tmp_path / "t.xlsx")


def test_tables_refuse(rows):
    with pytest.raises(UserError, match=r"missing: \['colour'\]"):
        accuracy_table(rows, ["colour"])
    with pytest.raises(UserError, match="got 0"):
        accuracy_table(rows[:0])


def test_panels_hold_the_same_queries_at_every_point(rows):
    early = rows["query"].isin(rows["query"].unique()[::3])
    rows = rows.assign(history_seconds=np.where(early, 5.0, 39.0))
    assert eligible_seconds(rows) == 32.0
    same, everything = context_panels(rows)
    assert same.title == "Queries with 32 s of past or more"
    kept, total = rows["query"][~early].nunique(), rows["query"].nunique()
    for panel, number in ((same, kept), (everything, total)):
        for curve in panel.curves.values():
            assert curve.num_queries == number and {point.num_queries for point in curve.points} == {number}
    mostly_early = rows.assign(history_seconds=np.where(early, 39.0, 5.0))
    assert eligible_seconds(mostly_early) == 4.0
    points = context_panels(mostly_early)[0].curves["lstm"].points
    assert [point.context for point in points] == ["1f", "2s", "4s", "full"]


def texts(figure):
    artists = figure.findobj(matplotlib.text.Text)
    return [artist.get_text() for artist in artists if artist.get_text()]


def test_the_figure_says_what_it_shows(rows):
    figure = context_figure(family_panels(rows), title="Colours")
    said = texts(figure)
    assert {"Colours", "age0", "age6", "age24", "lstm 100.0", "ceiling 100.0", "blind", "shuffled"} <= set(said)
    assert said.count("20 queries, 10 groups, 1 trained model") == 3
    assert {"0.5\n1", "2\n4", "32\n64"} <= set(said) and any(text.startswith("all\n") for text in said)
    notes = " ".join(said[-1].split())
    assert notes == figure_notes(family_panels(rows)) and notes.startswith("Bands and bars: 95% intervals, bootstrap")
    assert "Dashed: the ceiling" in notes and "Dotted: the control blind." in notes and "dotted step" in notes
    few = rows[rows["group"].isin(rows["group"].unique()[:4])]
    assert any("Only 4 groups" in text for text in texts(context_figure(context_panels(few), title="Few")))


def test_notes_name_only_what_is_drawn(rows):
    bare = rows[(rows["control"] == "") & (rows["context"] != "full")].assign(ceiling=np.nan)
    assert figure_notes([rows_panel("bare", bare)]) == BANDS
    assert "controls" not in texts(context_figure([rows_panel("bare", bare)], title="Bare"))


def test_the_number_of_queries_is_written_where_points_differ(rows):
    dropped = (rows["context"] == "32s") & rows["query"].isin(rows["query"].unique()[:7])
    figure = context_figure([rows_panel("all", rows[~dropped])], title="Colours")
    assert {"32\n64\n53", "2\n4\n60"} <= set(texts(figure))
    assert "past shown: seconds, frames and queries below" in texts(figure)


def test_lines_stand_where_the_rows_say(rows):
    (panel,) = [panel for panel in family_panels(rows) if panel.title == "age6"]
    figure = context_figure([panel], title="Colours")
    axis, controls = figure.findobj(matplotlib.axes.Axes)
    line = next(line for line in axis.lines if line.get_marker() == "o")
    part = rows[(rows["family"] == "age6") & (rows["head"] == "lstm")]
    curve = part[part["control"] == ""]
    assert line.get_xdata().tolist() == [0.5, 2, 4, 8, 16, 32, 64]
    expected = [100 * curve[curve["context"] == name]["correct"].mean() for name in ["1f", "2s", "4s", "8s", "full"]]
    assert [line.get_ydata()[index] for index in (0, 1, 2, 3, 6)] == pytest.approx(expected)
    point = next(line for line in controls.lines if line.get_marker() == "o")
    blind = part[part["control"] == "blind"]["correct"].mean()
    assert controls.get_xticklabels()[0].get_text() == "blind" and point.get_ydata() == pytest.approx([100 * blind])


def test_labels_stand_at_their_lines_where_panels_differ(rows):
    """Panels share an axis, which the last one may widen."""
    own = rows[rows["control"] == ""].assign(ceiling=np.nan)
    wrong = own.assign(correct=False, rank=9)
    right = own.assign(correct=True, rank=1)
    figure = context_figure([rows_panel("right", right), rows_panel("wrong", wrong)], title="Colours")
    axes = figure.findobj(matplotlib.axes.Axes)
    assert axes[0].get_ylim() == axes[1].get_ylim() and axes[0].get_ylim()[1] == 102
    for axis, percent in zip(axes, (100.0, 0.0)):
        (label,) = [text for text in axis.texts if text.get_text().startswith("lstm")]
        bottom, top = axis.get_ylim()
        assert bottom + label.xy[1] * (top - bottom) == pytest.approx(percent, abs=0.1 * (top - bottom))


def test_figures_are_saved_the_same_twice(rows, tmp_path):
    paths = save_figure(context_figure(context_panels(rows), title="Colours"), tmp_path / "one")
    again = save_figure(context_figure(context_panels(rows), title="Colours"), tmp_path / "two")
    assert [path.name for path in paths] == ["one.svg", "one.png"]
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    image = matplotlib.image.imread(paths[1])
    assert image.shape[0] > 500
    assert image[..., :3].std() > 0.05
    assert "<text" in paths[0].read_text()


def test_labels_do_not_touch():
    spread = spread_labels([0.5, 0.5, 0.51, 0.9, 0.1])
    assert spread[3:] == [0.9, 0.1]
    assert np.diff(sorted(spread)).min() >= LABEL_HEIGHT - 1e-9
    assert np.mean(spread[:3]) == pytest.approx(np.mean([0.5, 0.5, 0.51]))


def test_figures_refuse(rows):
    with pytest.raises(UserError, match="two contexts or more, got 1"):
        rows_panel("", rows[rows["context"] == "full"])
    with pytest.raises(UserError, match="at least one panel"):
        context_figure([], title="")
