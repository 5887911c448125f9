"""The report of planted models: what it says, that it needs nothing else, that no text breaks it."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from vidseq.cli import main
from vidseq.context.report.lines import ceiling_of, curves_of, group_summaries, styles_of
from vidseq.context.report.words import clear, findings, line_finding, points, warnings_of
from vidseq.context.report.write import write_report
from vidseq.context.summary import summarise
from vidseq.errors import UserError
from vidseq.evaluation.accuracy_curve import context_curve
from vidseq.evaluation.accuracy_figure import panel_figure
from vidseq.evaluation.accuracy_panel import Panel
from vidseq.evaluation.context_axis import readable_ticks
from vidseq.evaluation.rows import Row, read_rows, rows_from, write_rows
from vidseq.reporting.figures import LineStyle, save_figure
from vidseq.reporting.line_labels import end_label, within_axis

HOSTILE = "<script>alert('$x^2$')</script> & \"co\""
CONTEXTS = {"1f": 0.5, "2s": 2.0, "4s": 4.0, "8s": 8.0, "16s": 16.0, "full": np.inf}
_VOID = {"meta", "br", "img", "input", "link", "hr"}


def planted_rows(reach=(0.0, 6.0), heads=("lstm", "window"), mode="given", groups=24, per_group=2, seeds=(0, 1),
                 families=("now", HOSTILE), history=30.0):  # fmt: skip
    """Rows of models that are right exactly when the evidence is within their context; else right at one in four.

    `window` forgets what is older than eight seconds.
    """
    records = []
    for head in heads:
        for seed in seeds:
            for number in range(groups * per_group * len(families)):
                family = number % len(families)
                age = reach[family]
                asked = [(name, seconds, "") for name, seconds in CONTEXTS.items()]
                asked += [("0f", 0.0, "blind"), ("1f", 0.5, "last_frame"), ("full", np.inf, "shuffled")]
                for context, seconds, control in asked:
                    sees = seconds >= age + 0.5 and not (head == "window" and age > 8)
                    right = (sees and control != "blind") or (number + seed) % 4 == 0
                    records.append(
                        Row(
                            run=f"{head}-{seed}", seed=seed, video=f"v{number}", group=f"g{number // 2 % groups}",
                            time=40.0, kind="question", family=families[family], question="Which?", answer="red",
                            prediction="red" if right else "blue", correct=right, rank=1 if right else 2,
                            score=0.9 if sees else 0.3, context_seconds=seconds, evidence_age_seconds=age,
                            certificate_seconds=0.5, control=control, dataset="toy & co", split="test", head=head,
                            query=f"v{number}#question0", mode=mode, context=context,
                            context_frames=int(min(seconds, history) * 2), answer_score=0.9 if right else 0.1,
                            history_seconds=history, reach_seconds=age + 0.5, cause=None, tier=None, pair=None,
                            ceiling=(1.0 if seconds >= age + 0.5 else 0.25) if family == 0 else np.nan,
                        )
                    )  # fmt: skip
    return rows_from(records)


@pytest.fixture(scope="module")
def rows():
    return planted_rows()


@pytest.fixture(scope="module")
def report(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, rows, command=f"vidseq context --data {HOSTILE}", summaries=summarise(rows, num_samples=200))
    return folder


class Reader(HTMLParser):
    """Checks that tags are closed in order, and collects what a page is made of."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.text, self.tags = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.ids += [value for name, value in attributes if name == "id"]
        self.links += [value for name, value in attributes if name in ("src", "href", "xlink:href", "action", "data")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing at {self.getpos()}"

    def handle_data(self, data):
        self.text.append((self.open[-1] if self.open else "", data))


@pytest.fixture(scope="module")
def page(report):
    reader = Reader()
    reader.feed((report / "index.html").read_text())
    reader.close()
    return reader


def test_the_page_is_well_formed_and_needs_nothing_else(page, report):
    assert not page.open
    assert len(page.ids) == len(set(page.ids)) > 0
    assert all(link.startswith("#") for link in page.links)
    html = (report / "index.html").read_text()
    urls = set(re.findall(r"https?://[^\s\"'<)]+", html))
    assert urls <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in html and "url(#" in html and not re.findall(r"url\((?!#)", html)
    targets = {link[1:] for link in page.links} | set(re.findall(r"url\(#([^)]+)\)", html))
    assert targets <= set(page.ids)


def test_text_of_a_data_set_is_never_markup(page, report):
    assert page.tags.count("script") == 1
    texts = [text for tag, text in page.text if tag not in ("script", "style")]
    assert any(HOSTILE in text for text in texts)
    for path in (report / "figures").glob("*.svg"):
        assert not [tag for tag in ElementTree.parse(path).iter() if tag.tag.endswith("script")]


def test_it_says_what_was_asked_and_found(page):
    said = " ".join(text for tag, text in page.text if tag not in ("script", "style"))
    for part in (
        "toy & co, split test", "lstm (2), window (2)", "lstm-0, lstm-1", "0, 1", "96 in 24 groups",
        "1f, 2s, 4s, 8s, 16s, full", "blind, last_frame, shuffled", "What these models use",
        "lstm, by family: the past helps on", "no gain can be shown on now",
        "lstm and window show no clear difference", "95% intervals, bootstrap over groups",
        "96 queries, 24 groups, 2 trained models",
    ):  # fmt: skip
        assert part in said, part
    assert said.count("Made by: ") == page.tags.count("figure") == 7
    assert "Warning" not in said


def test_files_beside_it(report, rows):
    names = {path.name for path in (report / "figures").iterdir()}
    assert {f"1_given_{name}" for name in ("all_eligible.svg", "all_eligible.png", "certificates.svg")} <= names
    assert len(names) == 2 * 7
    pd.testing.assert_frame_equal(read_rows(report / "rows.parquet"), rows)
    curves = pd.read_csv(report / "tables" / "1_given_curves.csv")
    assert set(curves["queries"]) == {"eligible", "all"} and curves["accuracy"].between(0, 1).all()
    for name in ("summary", "curves", "differences", "evidence_age"):
        assert (report / "tables" / f"1_given_{name}.md").read_text().startswith("| ")
        assert r"\toprule" in (report / "tables" / f"1_given_{name}.tex").read_text()
    assert r"\textless{}script\textgreater{}" in (report / "tables" / "1_given_summary.tex").read_text()


def test_the_same_rows_give_the_same_bytes(tmp_path):
    rows = planted_rows(groups=5, seeds=(0,), families=("now",))
    one, two = (write_report(tmp_path / name, rows).parent for name in ("one", "two"))
    paths = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert paths == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    for path in paths:
        assert (one / path).read_bytes() == (two / path).read_bytes(), path


def test_a_report_that_is_there_is_kept(report, rows):
    with pytest.raises(UserError, match=r"A report expects '.*index\.html' to be new, got one that exists"):
        write_report(report, rows)


def test_modes_never_share_a_figure(tmp_path):
    given, need = (
        planted_rows(seeds=(0,), families=("now",)),
        planted_rows(seeds=(0,), families=("now",), mode="retrained"),
    )
    page = write_report(
        tmp_path, pd.concat([given, need.assign(run=need["run"] + "r")], ignore_index=True)
    ).read_text()
    assert "What these models use: toy &amp; co, split test (given)" in page
    assert "What the task needs: toy &amp; co, split test (retrained)" in page
    names = {path.stem for path in (tmp_path / "figures").glob("*.svg")}
    assert {"1_given_all_eligible", "2_retrained_all_eligible", "1_given_certificates"} <= names
    assert "2_retrained_certificates" not in names


def test_a_density_is_drawn_over_frames():
    rows = planted_rows(heads=("lstm",), seeds=(0,), families=("now",), mode="density")
    names = {"1f": "full/60", "2s": "full/15", "4s": "full/8", "8s": "full/4", "16s": "full/2", "full": "full"}
    curve = rows["control"] == ""
    rows = rows.assign(
        context=rows["context"].where(~curve, rows["context"].map(names)),
        context_seconds=rows["context_seconds"].where(~curve, np.inf),
    )
    (group,) = group_summaries(summarise(rows, num_samples=20), rows)
    assert not group.has_eligible
    figure = panel_figure(Panel("All", curves_of(group, False), by_frames=True), {"lstm": LineStyle("#123456", "o")})
    axis = figure.axes[0]
    assert axis.get_xlabel() == "frames shown of the span"
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["1", "4", "8", "16", "32", "60"]
    (solid,) = [line for line in axis.lines if line.get_color() == "#123456" and line.get_marker() == "None"][:1]
    assert solid.get_xdata().tolist() == [1, 4, 8, 16, 32, 60]


def test_few_groups_are_told_on_the_figure(tmp_path):
    for number, expected in ((7, True), (15, True), (20, False)):
        rows = planted_rows(groups=number, seeds=(0,), heads=("lstm",), families=("now",))
        groups = group_summaries(summarise(rows, num_samples=50), rows)
        figure = panel_figure(Panel("All", curves_of(groups[0], True)), {"lstm": LineStyle("black", "o")})
        svg = save_figure(figure, tmp_path / "figure")[0].read_text().lower()
        assert (f"only {number} groups: intervals are rough." in svg) == expected
        warned = [text for text in warnings_of(groups[0]) if f"intervals rest on {number} groups only" in text]
        assert bool(warned) == expected
        assert ("#b33a00" in svg) == (number < 10)  # the colour of alarm


def test_the_ceiling_is_of_families_that_have_one_throughout(rows):
    everything, now, then = group_summaries(summarise(rows, num_samples=50), rows)
    assert ceiling_of(everything, True) == {} == ceiling_of(then, True)
    assert ceiling_of(now, True) == dict.fromkeys(CONTEXTS, 1.0)
    assert list(curves_of(now, False)) == ["lstm", "window"]


def test_findings_of_planted_models(rows):
    everything, *families = group_summaries(summarise(rows, num_samples=200), rows)
    told = findings(everything, families)
    assert told[0] == line_finding(everything.summaries[0])
    assert "From 8s of past on it is as good as with everything, to one point (4s is not enough)." in told[0]
    assert "No use of order can be shown: shuffling the past costs 0.0 points" in told[0]
    gain = everything.summaries[0].gain
    assert gain is not None and clear(gain) == 1 and points(gain) in told[0]


def test_what_is_wrong_is_told():
    rows = planted_rows(reach=(6.0,), families=("then",), heads=("lstm",), seeds=(0,))
    early = (rows["control"] == "") & (rows["context"] == "2s")
    leaky = rows.assign(correct=rows["correct"] | early, rank=np.where(early, 1, rows["rank"]))
    told = findings(group_summaries(summarise(leaky, num_samples=200), leaky)[0], [])
    assert any(text.startswith("Warning: lstm beats the blind control") for text in told)
    bare = rows[rows["control"] == ""]
    told = findings(group_summaries(summarise(bare, num_samples=50), bare)[0], [])
    assert any("no control was asked" in text for text in told)


def test_ticks_never_touch_and_the_ends_stay():
    crowded = {"1f": 0.25, "32s": 32.0, "48s": 48.0, "60s": 60.0, "full": 64.0}
    assert readable_ticks(crowded) == ["1f", "32s", "full"]
    assert readable_ticks({"1f": 0.25}) == ["1f"]
    assert readable_ticks(dict(zip("abc", (1.0, 2.0, 4.0)))) == ["a", "b", "c"]


def test_names_of_lines_stay_within_the_axis_and_apart():
    crowded = within_axis([0.9, 0.97, 1.04, 1.11, 0.2])
    assert crowded == pytest.approx([0.79, 0.86, 0.93, 1.0, 0.2])
    assert within_axis([-0.05, 0.02]) == pytest.approx([0.0, 0.07])
    assert end_label("lstm", 61.25, "black").text == "lstm 61.2"
    assert end_label("transformer_with_all", 61.25, "black").text == "transformer_w…"


def test_many_lines_have_different_styles():
    rows = pd.concat([planted_rows(heads=(f"h{n}",), seeds=(0,), families=("now",), groups=3) for n in range(9)])
    styles = styles_of(summarise(rows, num_samples=20))
    assert len(set(styles.values())) == 9


def test_the_command(rows, tmp_path, capsys):
    one = rows[(rows["head"] == "lstm") & (rows["family"] == "now")]
    write_rows(one, tmp_path / "rows.parquet")
    words = ["context", "report", str(tmp_path / "rows.parquet"), str(tmp_path / "out"), "--line", "run"]
    assert main([*words, "--title", "A & B"]) == 0
    assert "<h1>A &amp; B</h1>" in (tmp_path / "out" / "index.html").read_text()
    assert main(words) == 2
    assert "got one that exists. Name another folder, or use --overwrite." in capsys.readouterr().err
    assert main(["context", "report", str(tmp_path / "none.parquet"), str(tmp_path / "out")]) == 2
    assert "Rows expect a parquet file" in capsys.readouterr().err


@pytest.mark.parametrize("number", [3, 8, 9, 14])
def test_names_of_controls_never_cover_one_another(number):
    answered = planted_rows(heads=("lstm",), groups=4, seeds=(0,))
    shuffled = answered[answered["control"] == "shuffled"]
    names = ["repeat_last_label", "swapped_past:30s", *(f"bag_of_labels:{k}" for k in range(number - 2))]
    rows = pd.concat([answered[answered["control"] == ""], *(shuffled.assign(control=name) for name in names)])
    curve = context_curve(rows, num_samples=10)
    figure = panel_figure(Panel("many controls", {"lstm": curve}), {"lstm": LineStyle("black", "o")})
    figure.canvas.draw()
    labels = figure.axes[1].get_xticklabels()
    assert [label.get_text() for label in labels] == [name.replace("_", " ") for name in names]
    # The distance between two names, across the direction in which they are written, in heights of a letter.
    places = [label.get_window_extent().x1 for label in labels]
    across = np.sin(np.radians(labels[0].get_rotation())) * np.diff(places) / figure.dpi * 72
    assert (across > labels[0].get_fontsize()).all()
    assert all(label.get_window_extent().y0 >= 0 for label in labels)
    assert figure.axes[0].get_position().x1 + 0.15 < figure.axes[1].get_position().x0  # room for names of lines
