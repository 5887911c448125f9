"""Questions of a data set are twins: words, choices, time and the present action say nothing."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from vidseq.audit.audit import find_shortcuts
from vidseq.audit.entries import entry_rows
from vidseq.cli import main
from vidseq.data import SegmentQuestions, ask_questions, check_dataset
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.errors import DataError, UserError
from vidseq.features.store import FeatureStore
from vidseq.language.vocabulary import UNKNOWN, Vocabulary
from vidseq.training.question_sources import open_question_source

Kitchen = Callable[..., Dataset]
PRESENT = ("now", "who_does")


def twins_of(dataset: Dataset) -> Iterator[tuple[Query, Query]]:
    """Every two queries that stand together."""
    same = defaultdict(list)
    for query in dataset.queries:
        split = dataset.videos[query.video].split
        same[split, query.time, query.family, query.question, query.choices].append(query)
    for queries in same.values():
        assert len(queries) % 2 == 0
        yield from zip(queries[::2], queries[1::2])


def present(dataset: Dataset, query: Query) -> set[str]:
    actions = [s for s in dataset.segments_of(query.video) if s.label != dataset.info.background]
    return {s.label for s in actions if s.start <= query.time < s.end}


@pytest.mark.parametrize("tracks", [1, 2])
def test_questions_are_twins(kitchen: Kitchen, tmp_path: Path, tracks: int) -> None:
    made = ask_questions(kitchen(tracks=tracks), tmp_path / "asked")
    assert Dataset.load(made.folder).queries == made.queries and check_dataset(made.folder) == []
    found = {query.family for query in made.queries}
    assert found >= {"now", "done", "count", "ago", "last", "before", "next"}
    assert ("who_did" in found, "who_does" in found) == (tracks > 1, tracks > 1)
    pairs = list(twins_of(made))
    for one, other in pairs:
        assert one.video != other.video and one.answer != other.answer and one.pair == other.pair
        assert set(one.choices) == {one.answer, other.answer}
        if one.family in PRESENT:
            assert one.pair is None
        else:
            assert one.pair is not None and present(made, one) == present(made, other)
    assert len({one.pair for one, _ in pairs if one.pair}) == sum(one.family not in PRESENT for one, _ in pairs)


def test_a_video_is_asked_a_thing_once_and_not_too_much(kitchen: Kitchen, tmp_path: Path) -> None:
    made = ask_questions(kitchen(), tmp_path / "asked", per_video=22, families=("done", "ago", "last", "count"))
    for video in made.videos:
        queries = made.queries_of(video)
        assert len(queries) <= 22 and max(Counter(query.family for query in queries).values()) <= 6
        assert sum(q.answer == "not yet" for q in queries) <= 3
        last = Counter(query.answer for query in queries if query.family == "last")
        assert not last or max(last.values()) == 1
    assert {q.tier for q in made.queries if q.answer in ("no", "0", "not yet")} == {"not_yet"}
    for query in made.queries:
        assert (query.certificate_seconds is None) == (not query.evidence) == (query.tier == "not_yet")


def test_background_and_labels_left_out_are_not_asked_about(kitchen: Kitchen, tmp_path: Path) -> None:
    made = ask_questions(kitchen(), tmp_path / "asked", leave_out=("mix",), splits=("test",))
    texts = " ".join(" ".join((query.question or "", *query.choices)) for query in made.queries)
    assert "cut cheese" in texts and "rest" not in texts and "mix" not in texts
    assert {made.videos[query.video].split for query in made.queries} == {"test"}


def test_the_seed_decides(kitchen: Kitchen, tmp_path: Path) -> None:
    dataset = kitchen(8, 4)
    one, same, other = (
        ask_questions(dataset, tmp_path / name, seed=seed).queries for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one == same and one != other


def test_the_new_data_set_finds_features_and_videos(kitchen: Kitchen, tmp_path: Path) -> None:
    dataset = kitchen(8, 4)
    videos = {name: dataclasses.replace(video, path=f"videos/{name}.mp4") for name, video in dataset.videos.items()}
    made = ask_questions(dataclasses.replace(dataset, videos=videos), tmp_path / "deep" / "asked")
    store = FeatureStore.open_in(made.folder)
    assert store.read("v000").features.shape[1] == 6 and store.folder.resolve().is_relative_to(dataset.folder)
    path = made.video_path("v000")
    assert path is not None and path.resolve() == (dataset.folder / "videos/v000.mp4").resolve()
    assert made.segments == dataset.segments and made.info.background == "rest" and made.info.tasks == {}
    assert {query.answer for query in made.queries} <= set(made.answer_labels)


def test_where_no_link_can_be_made_one_line_says_what_to_copy(
    kitchen: Kitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = kitchen(8, 4)

    def refuse(*args: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    made = ask_questions(dataset, tmp_path / "asked")
    assert made.queries and Dataset.load(made.folder).queries == made.queries
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"(Operation not permitted). Copy the folder '{dataset.folder / 'features'}' there.")


def test_a_stop_leaves_no_data_set_that_lacks_its_features(
    kitchen: Kitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same call goes on."""

    dataset = kitchen(8, 4)

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopping, pytest.raises(KeyboardInterrupt):
        stopping.setattr("vidseq.data.questions.ask.write_dataset", stop)
        ask_questions(dataset, tmp_path / "asked")
    assert sorted(path.name for path in (tmp_path / "asked").iterdir()) == ["features", "questions.json"]
    made = ask_questions(dataset, tmp_path / "asked")
    assert FeatureStore.open_in(made.folder).videos() and made.queries
    with pytest.raises(UserError, match="got one that exists"):
        ask_questions(dataset, tmp_path / "asked")


def test_mistakes_are_one_line(kitchen: Kitchen, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset, out = kitchen(8, 4), tmp_path / "asked"
    with pytest.raises(UserError, match=r"Unknown family 'dnoe'\. Did you mean 'done'\? Known families: after"):
        ask_questions(dataset, out, families=("dnoe",))
    with pytest.raises(UserError, match=r"Unknown label 'mixx'\. Did you mean 'mix'"):
        ask_questions(dataset, out, leave_out=("mixx",))
    with pytest.raises(UserError, match="per_video of at least 1, got 0"):
        ask_questions(dataset, out, per_video=0)
    expected = (
        r"family 'who_did' expect segments of one action on two tracks of a video, got none in 'kitchen'\. Leave"
    )
    with pytest.raises(UserError, match=expected):
        ask_questions(dataset, out, families=("done", "who_did"))
    without = dataclasses.replace(dataset, segments=[])
    with pytest.raises(UserError, match=r"expect segments of two videos of a split .* got none in 'kitchen'"):
        ask_questions(without, out)
    assert not out.exists()
    out.mkdir()
    with pytest.raises(UserError, match=r"expects '.*asked' to be new, got one that exists"):
        ask_questions(dataset, out)
    assert main(["data", "ask", str(dataset.folder), "--out", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_counts_questions(kitchen: Kitchen, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "asked"
    words = f"data ask {kitchen(8, 4).folder} --out {out} --per_video 6 --families done,order".split()
    assert main(words) == 0
    printed = capsys.readouterr().out
    queries = Dataset.load(out).queries
    assert f"{len(queries)} questions" in printed and "order: train" in printed and "who_did" not in printed
    assert {query.family for query in queries} == {"done", "order"}


def test_questions_are_drawn_at_a_moment(kitchen: Kitchen) -> None:
    dataset = kitchen(8, 4)
    source, rng = SegmentQuestions(dataset), np.random.default_rng(0)
    drawn = [query for time in (0.3, 25.25, 60.5) for query in source.draw("v001", time, 12, rng)]
    assert {query.time for query in drawn} == {0.3, 25.25, 60.5} and {query.video for query in drawn} == {"v001"}
    assert len({query.family for query in drawn}) > 5 and {query.answer for query in drawn} <= set(source.answers)
    again = SegmentQuestions(dataset).draw("v001", 25.25, 3, np.random.default_rng(5))
    assert again == source.draw("v001", 25.25, 3, np.random.default_rng(5)) and len(again) == 3
    done = SegmentQuestions(dataset, families=("done",))
    answers = Counter(query.answer for query in done.draw("v001", 30.0, 200, rng))
    assert 70 < answers["yes"] < 130 and 70 < answers["no"] < 130


def test_drawn_answers_are_right_and_words_are_known(kitchen: Kitchen) -> None:
    dataset = kitchen(8, 4, tracks=2)
    source = SegmentQuestions(dataset, families=("who_did",), leave_out=("mix",))
    vocabulary = Vocabulary.build(source.texts())
    for time in (20.0, 40.0, 60.0):
        actions = [s for s in dataset.segments_of("v003") if s.end <= time and s.label not in ("rest", "mix")]
        for query in source.draw("v003", time, 40, np.random.default_rng(0)):
            assert query.question is not None and UNKNOWN not in vocabulary.encode(query.question)
            same = [s for s in actions if s.label.replace("_", " ") in query.question]
            assert query.answer == (max(same, key=lambda s: s.end).track if same else "not yet")


def test_each_label_and_each_who_acts_stands_as_a_question(kitchen: Kitchen) -> None:
    source = SegmentQuestions(kitchen(8, 4, tracks=2), families=("who_did",))
    vocabulary, standing = Vocabulary.build(source.texts()), source.standing()
    assert not any(UNKNOWN in vocabulary.encode(text) for text in standing)
    segments = [segment for name in ("v000", "v001") for segment in kitchen(8, 4, tracks=2).segments_of(name)]
    named = {name.replace("_", " ") for s in segments for name in (s.label, s.track) if s.label != "rest"}
    assert named <= set(standing) and len(standing) == len(set(standing))


def test_tasks_that_a_data_set_lists_are_joined_by_questions(kitchen: Kitchen, tmp_path: Path) -> None:
    dataset = kitchen(8, 4)
    info = dataclasses.replace(dataset.info, tasks={"next_action": {"anticipation_seconds": 2.0}})
    made = ask_questions(dataclasses.replace(dataset, info=info), tmp_path / "asked")
    assert made.info.tasks == {"next_action": {"anticipation_seconds": 2.0}, "question": {}}


def test_training_draws_what_the_data_set_was_made_with(kitchen: Kitchen, tmp_path: Path) -> None:
    made = ask_questions(kitchen(8, 4), tmp_path / "asked", families=("done", "order"), leave_out=("mix",))
    source = open_question_source(Dataset.load(made.folder))
    assert source is not None
    drawn = source.draw("v001", 50.0, 50, np.random.default_rng(0))
    assert {query.family for query in drawn} == {"done", "order"}
    assert not any("mix" in f"{query.question} {query.answer}" for query in drawn)
    (made.folder / "questions.json").write_text("[]")
    with pytest.raises(DataError, match=r"expect their families in .*questions\.json, got none that can be read"):
        open_question_source(made)


def drawn_without_twins(dataset: Dataset) -> Dataset:
    """The same number of questions, each drawn by itself."""
    source, rng = SegmentQuestions(dataset, families=("done", "last", "order", "count")), np.random.default_rng(0)
    queries = [
        query
        for name, video in dataset.videos.items()
        for time in rng.uniform(3, video.duration, 24).round(3)
        for query in source.draw(name, float(time), 1, rng)
    ]
    return dataclasses.replace(dataset, queries=queries)


def shortcuts(dataset: Dataset) -> set[str]:
    """The names of the audit's alarms."""
    store, names = FeatureStore.open_in(dataset.folder), ("question_only", "time_only", "last_frame_probe")
    queries = dataset.queries
    rows = entry_rows(dataset, store, queries, short_seconds=4.0, split="test", names=names)
    return {alarm.name for alarm in find_shortcuts(dataset, queries, rows, "test")}


def test_the_audit_finds_no_shortcut_and_would_find_one(kitchen: Kitchen, tmp_path: Path) -> None:
    """The cheese is mostly cut first, and the table is always wiped last: words, time and the present say much."""
    made = ask_questions(
        kitchen(30, 40), tmp_path / "asked", families=("done", "last", "order", "count"), per_video=16
    )
    assert not shortcuts(made)
    assert {"time_only", "question_only"} <= shortcuts(drawn_without_twins(made))
