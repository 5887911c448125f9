"""Probes find what was planted in features, where it was planted, and nothing that is not there."""

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vidseq.cli import main
from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.query_set import QuerySet
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.errors import UserError
from vidseq.features.external import external_fingerprint
from vidseq.features.store import FeatureStore
from vidseq.probing import ProbeReport, probe_features
from vidseq.probing.linear import LinearProbe, held_out
from vidseq.probing.results import EVIDENCE, NEWEST
from vidseq.probing.seen import evidence_frames, evidence_is_old, newest_frames

COLORS = ("blue", "green", "red")
DOOR, TABLE = "What colour is the door?", "What colour is the table?"
CARD, LUCK = "What was on the card?", "Heads or tails?"
NUM_TRAIN, NUM_TEST, SECONDS, TOKENS, DIM = 60, 20, 12, 4, 6


def make_dataset(folder: Path, tokens: int) -> tuple[Dataset, FeatureStore]:
    """Videos at one sample a second.

    Cell 0 holds the colour of the door and cell 3 that of the table, all the time; cell 1 holds the card, at 2 and 3 s
    alone; cell 2 holds whether someone waves. Nothing holds the luck.
    """
    rng = np.random.default_rng(0)
    sample = (tokens, DIM) if tokens else (TOKENS * DIM,)
    store = FeatureStore.create_in(folder, external_fingerprint("made_up", 1, tokens=tokens))
    videos, queries, segments = [], [], []
    for number in range(NUM_TRAIN + NUM_TEST):
        name = f"v{number:02d}"
        cells = 0.2 * rng.normal(size=(SECONDS, TOKENS, DIM))
        door, table, card = rng.integers(3, size=3)
        cells[:, 0, door] += 1
        cells[:, 3, table] += 1
        cells[2:4, 1, card] += 1
        cells[6:, 2, 4] += 1
        store.write(name, cells.reshape(SECONDS, *sample), np.arange(float(SECONDS)))
        videos.append(Video(video=name, split="train" if number < NUM_TRAIN else "test", duration=float(SECONDS)))
        segments.append(Segment(video=name, start=0, end=6, label="sit"))
        segments.append(Segment(video=name, start=6, end=12, label="wave"))
        for time in (5.0, 9.5):
            ask = partial(Query, video=name, time=time, kind="question")
            now, side = ((time - 0.5, time),), ("heads", "tails")[rng.integers(2)]
            queries.append(ask(question=DOOR, answer=COLORS[door], family="now", evidence=now))
            queries.append(ask(question=TABLE, answer=COLORS[table], family="now", evidence=now))
            queries.append(ask(question=CARD, answer=COLORS[card], family="then", evidence=((2.0, 3.0),)))
            queries.append(ask(question=LUCK, answer=side, family="luck"))
        queries.append(Query(video=name, time=8.0, kind="question", question="Why?", answer=f"{number}", family="why"))
        queries.append(Query(video=name, time=8.0, kind="question", question="Who?", answer="Ann", family="who"))
    answers = sorted({query.answer for query in queries})
    info = DatasetInfo(name="planted", labels={"answer": tuple(answers), "action": ("sit", "wave")})
    return write_dataset(folder, info, videos, segments, queries), store


@pytest.fixture(scope="module", params=[0, TOKENS], ids=["vectors", "cells"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ProbeReport:
    folder = tmp_path_factory.mktemp("planted")
    return probe_features(*make_dataset(folder, request.param), steps=200)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("data"), TOKENS)[0]


def accuracy(report: ProbeReport, family: str, frames: str = NEWEST, question: str = "") -> tuple[float, float, float]:
    (found,) = (
        result
        for result in report.results
        if (result.family, result.frames, result.question) == (family, frames, question)
    )
    return tuple(found.accuracy[probe].mean for probe in ("linear", "network", "majority"))  # type: ignore[return-value]


def test_what_the_newest_frame_shows_is_found(report: ProbeReport) -> None:
    linear, network, majority = accuracy(report, "now")
    assert min(linear, network) > 0.9 > 0.55 > majority
    for text in (DOOR, TABLE):
        assert accuracy(report, "now", question=text)[0] > 0.85


def test_what_was_shown_before_is_found_in_its_evidence_alone(report: ProbeReport) -> None:
    linear, network, majority = accuracy(report, "then")
    assert max(linear, network) < majority + 0.25
    linear, network, _ = accuracy(report, "then", EVIDENCE)
    assert min(linear, network) > 0.9
    notes = {(result.family, result.frames): result.note for result in report.results if not result.question}
    assert notes["then", NEWEST] == "100% ask about the past (4.2 s ago)"
    assert notes["then", EVIDENCE] == notes["now", NEWEST] == ""


def test_what_is_nowhere_is_not_found(report: ProbeReport) -> None:
    linear, network, majority = accuracy(report, "luck")
    assert max(linear, network) < 0.75 and 0.3 < majority < 0.7


def test_segments_are_probed_too(report: ProbeReport) -> None:
    assert min(accuracy(report, "frame_labels")[:2]) > 0.95
    assert {result.kind for result in report.results} == {"question", "frame_labels"}


def test_what_cannot_be_probed_is_named(report: ProbeReport) -> None:
    assert report.left_out == {
        "question why": "its 60 training queries have 60 answers: they are no classes",
        "question who": "training has a single answer",
        "next_action": "training has a single answer",
    }
    assert "left out: question who: training has a single answer" in report.table()


def test_numbers_are_counted_and_have_intervals(report: ProbeReport) -> None:
    for result in report.results:
        interval = result.accuracy["linear"]
        assert interval.low <= interval.mean <= interval.high
        assert interval.num_groups == NUM_TEST
        if result.family == "now":
            assert (result.num_training, interval.num_queries) == ((120, 40) if result.question else (240, 80))


def test_rows_and_table(report: ProbeReport, tmp_path: Path) -> None:
    report.write_csv(tmp_path / "probe.csv")
    with (tmp_path / "probe.csv").open() as file:
        rows = list(csv.DictReader(file))
    records = [json.loads(line) for line in report.to_json().splitlines()]
    assert len(rows) == len(records) == len(report.results)
    for row, record in zip(rows, records):
        assert row["family"] == record["family"] and float(row["network"]) == pytest.approx(record["network"])
        assert record["linear_low"] <= record["linear"] <= record["linear_high"]
        assert record["split"] == "test" and record["features"].startswith("made_up")
    ages = {record["family"]: record["evidence_age_seconds"] for record in records}
    assert ages["now"] is ages["luck"] is None and ages["then"] == pytest.approx((2.0 + 6.5) / 2)
    assert DOOR not in report.table() and f'"{DOOR}"' in report.table(questions=True)
    assert "evidence frames" in report.table() and report.table().count("question now") == 1


def test_the_command(planted: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "probe.csv"
    assert main(["probe", str(planted.folder), "--limit", "40", "--steps", "5", "--out", str(out), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == len(out.read_text().splitlines()) - 1 and all(row["num_queries"] <= 40 for row in rows)
    for options, message in (
        (["--split", "train"], "Probes expect another split than the one that they learn from, got 'train'."),
        (["--split", "dev"], "dev"),
        (["--limit", "0"], "Probes expect limit of at least 1, got 0."),
    ):
        assert main(["probe", str(planted.folder), *options]) == 2
        assert message in capsys.readouterr().err


def test_nothing_is_asked(tmp_path: Path) -> None:
    videos = [Video(video="a", split="train", duration=2.0), Video(video="b", split="test", duration=2.0)]
    dataset = write_dataset(tmp_path, DatasetInfo(name="x"), videos)
    store = FeatureStore.create_in(tmp_path, external_fingerprint("made_up", 1))
    with pytest.raises(UserError, match=r"Probes expect queries or segments in split 'test' of 'x', got none\."):
        probe_features(dataset, store)


@pytest.mark.parametrize(
    "evidence, frames, old",
    [
        ((), [5], False),
        (((4.5, 5.0),), [5], False),
        (((1.0, 2.0),), [1, 2], True),
        (((1.2, 1.4),), [1], True),
        (((0.0, 1.0), (4.9, 5.0)), [0, 1, 5], False),
        (((5.1, 5.2),), [5], False),
        (((-1.0, -0.5), (2.0, 2.0)), [0, 2], True),
    ],
)
def test_frames_of_evidence(
    planted: Dataset, evidence: tuple[tuple[float, float], ...], frames: list[int], old: bool
) -> None:
    """The newest sample of a query at 5.3 s is the one at 5 s."""
    store = FeatureStore.open_in(planted.folder)
    query_set = QuerySet(planted, store, "test", ())
    query = Query(video="v00", time=5.3, kind="question", question="?", answer="red", evidence=evidence)
    stored = store.read("v00").features.astype(np.float32)
    assert evidence_is_old(query_set, query) is old
    np.testing.assert_array_equal(newest_frames(query_set, [query])[0], stored[5])
    np.testing.assert_allclose(evidence_frames(query_set, [query])[0], stored[frames].mean(axis=0), atol=1e-3)


@pytest.mark.parametrize("width", [5, 400])
def test_the_rotation_changes_no_score(width: int) -> None:
    """Logistic regression on the rotated examples is the one on the standardised examples."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    inputs, answers = rng.normal(size=(60, width)).astype(np.float32), rng.integers(3, size=60)
    inputs[:, 0] += answers
    groups = np.array([f"g{row % 10}" for row in range(60)])
    probe = LinearProbe(inputs, answers, groups)
    assert probe._model is not None
    weight, tests = probe._model.C, rng.normal(size=(9, width)).astype(np.float32)
    scale = inputs.std(axis=0) * np.sqrt(width)
    plain = LogisticRegression(C=weight, max_iter=2000, tol=1e-6).fit((inputs - inputs.mean(axis=0)) / scale, answers)
    expected = plain.predict_log_proba((tests - inputs.mean(axis=0)) / scale)
    np.testing.assert_allclose(probe.scores(tests, 4)[:, :3], expected, atol=0.05)
    assert np.isneginf(probe.scores(tests, 4)[:, 3]).all(), "training never had the fourth answer"


def test_one_answer_and_one_group() -> None:
    inputs = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    one = LinearProbe(inputs, np.full(8, 2), np.array(["a"] * 8)).scores(inputs, 3)
    assert (one.argmax(axis=1) == 2).all()
    assert not held_out(np.array(["a"] * 8), 0).any()
    groups = np.array([f"g{row}" for row in range(8)])
    assert held_out(groups, 0).sum() == 2 and (held_out(groups, 0) == held_out(groups, 0)).all()
