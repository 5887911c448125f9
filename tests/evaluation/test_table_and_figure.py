"""Tables and the figure, made from the rows of a planted model."""

import re

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from vidseq.errors import UserError
from vidseq.evaluation.accuracy_curve import eligible_seconds
from vidseq.evaluation.accuracy_figure import Panel, context_figure, context_panels, family_panels
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.rows import Run, concatenate
from vidseq.evaluation.tables import accuracy_table, pivot_accuracy
from vidseq.reporting.figures import LABEL_HEIGHT, save_figure, spread_labels
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
    assert same.title.startswith("Queries with 32 s of past or more")
    assert set(same.rows["query"]) == set(rows["query"][~early])
    assert len(everything.rows) == len(rows)
    mostly_early = rows.assign(history_seconds=np.where(early, 39.0, 5.0))
    assert eligible_seconds(mostly_early) == 4.0
    assert set(context_panels(mostly_early)[0].rows["context"]) == {"0f", "1f", "2s", "4s", "full"}


def texts(figure):
    found = [text.get_text() for axis in figure.axes for text in [*axis.texts, *axis.get_xticklabels()]]
    return found + [axis.get_title(loc="left") for axis in figure.axes] + [text.get_text() for text in figure.texts]


def test_the_figure_says_what_it_shows(rows):
    figure = context_figure(family_panels(rows), title="Colours")
    said = texts(figure)
    assert any(re.fullmatch(r"lstm  100\.0", text) for text in said)
    assert any(text.startswith("blind  ") for text in said)
    assert any(text.startswith("best possible  100.0") for text in said)
    assert "age24\nn = 20 queries, 10 groups" in said
    assert {"1f", "2", "32", "all"} <= set(said)
    assert any("Bands: 95% bootstrap intervals over groups (10) and seeds (1)" in text for text in said)
    few = rows[rows["group"].isin(rows["group"].unique()[:4])]
    assert any("Only 4 groups" in text for text in texts(context_figure(context_panels(few), title="Few")))


def test_lines_stand_where_the_rows_say(rows):
    figure = context_figure(family_panels(rows), title="Colours")
    axis = next(axis for axis in figure.axes if axis.get_title(loc="left").startswith("age6"))
    line = next(line for line in axis.lines if line.get_marker() == "o")
    part = rows[(rows["family"] == "age6") & (rows["head"] == "lstm") & (rows["control"] == "")]
    assert line.get_xdata().tolist() == [0.5, 2, 4, 8, 16, 32, 64]
    expected = [100 * part[part["context"] == name]["correct"].mean() for name in ["1f", "2s", "4s", "8s", "full"]]
    assert [line.get_ydata()[place] for place in (0, 1, 2, 3, 6)] == pytest.approx(expected)


def test_labels_stand_at_their_lines_where_panels_differ(rows):
    """Panels share an axis, which the last one may widen."""
    own = rows[rows["control"] == ""]
    wrong = own.assign(correct=False, rank=9)
    figure = context_figure([Panel("right", own.assign(correct=True, rank=1)), Panel("wrong", wrong)], title="Colours")
    for axis, percent in zip(figure.axes, (100.0, 0.0)):
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
        context_figure(family_panels(rows[rows["context"] == "full"]), title="")
    with pytest.raises(UserError, match="at least one panel"):
        context_figure([], title="")
