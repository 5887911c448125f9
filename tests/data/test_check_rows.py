"""Names that look the same are one class, and rows that evaluation refuses are named by the check."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.fields import normal_text
from vidseq.data.query_set import QuerySet
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.errors import DataError, UserError
from vidseq.features.external import external_fingerprint
from vidseq.features.store import FeatureStore

CAFE, CAFE_IN_PARTS = "caf\u00e9", "cafe\u0301"


def make(folder: Path, segments: str = "", queries: list[dict[str, object]] | None = None, **info: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps({"name": "d", **info}))
    (folder / "videos.jsonl").write_text(json.dumps({"video": "a", "split": "train ", "duration": 9.0}) + "\n")
    (folder / "segments.csv").write_text(f"video, start, end, label\n{segments}", encoding="utf-8")
    rows = [{"video": "a", "time": 5.0, "kind": "question", "question": "Which?", **row} for row in queries or []]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_spaces_and_forms_of_letters_make_no_classes(tmp_path: Path) -> None:
    names = ("cut", " cut", "cut ", "\u00a0cut", "cut  it", "cut it", CAFE, CAFE_IN_PARTS)
    segments = "".join(f" a ,{start}, {start + 1},{name}\n" for start, name in enumerate(names))
    answers = [{"time": 1.0 + k, "answer": answer} for k, answer in enumerate(("red", "red ", " red", "red\u200b"))]
    dataset = Dataset.load(make(tmp_path, segments, answers))
    assert dataset.action_labels == (CAFE, "cut", "cut it")
    assert dataset.answer_labels == ("red",)
    assert len(dataset.segments_of("a")) == 8
    assert dataset.videos["a"].split == "train"


def test_listed_labels_and_choices_that_differ_only_in_form_are_one(tmp_path: Path) -> None:
    queries = [{"answer": f" {CAFE_IN_PARTS}", "choices": ["tea", CAFE, CAFE_IN_PARTS]}]
    labels = {"action": ["cut", "cut ", CAFE], "answer": [CAFE_IN_PARTS, "tea"]}
    dataset = Dataset.load(make(tmp_path, f"a,0,1,{CAFE_IN_PARTS}\n", queries, labels=labels))
    assert dataset.action_labels == ("cut", CAFE)
    assert dataset.queries[0].choices == ("tea", CAFE)


def test_the_check_names_the_rows(tmp_path: Path) -> None:
    problems = check_dataset(make(tmp_path, "a,0,1,cut\na,1,2,cut \na,2,3,cut \n", [{"answer": " red"}]))
    assert problems == [
        "segments.csv:3: 'label' expects single spaces, none at the ends, and composed letters (NFC), got 'cut ' "
        "(2 rows). It is read as 'cut'; write it so.",
        "queries.jsonl:1: 'answer' expects single spaces, none at the ends, and composed letters (NFC), got ' red'. "
        "It is read as 'red'; write it so.",
    ]


def test_a_name_of_spaces_alone_is_no_name(tmp_path: Path) -> None:
    (problem, *_) = check_dataset(make(tmp_path, "a,0,1,\u200b\n"))
    assert problem.startswith("segments.csv:2: 'label' expects a text")


@given(text=st.text(max_size=20))
def test_the_one_form(text: str) -> None:
    normal = normal_text(text)
    same = (normal, f" {text}\t", unicodedata.normalize("NFD", text))
    assert {normal_text(other) for other in same} == {normal}
    assert "  " not in normal and normal == normal.strip() == unicodedata.normalize("NFC", normal)


def test_what_is_written_is_in_form(tmp_path: Path) -> None:
    """Importers write data sets, so that what they read from other layouts gets the one form, too."""
    query = Query(video="a", time=2, kind="question", question=" Who  is it? ", answer=CAFE_IN_PARTS)
    videos = [Video(video="a", split="train", duration=9.0)]
    write_dataset(tmp_path, DatasetInfo(name="d"), videos, [Segment(video="a", start=0, end=1, label="cut ")], [query])
    assert check_dataset(tmp_path) == []
    assert (tmp_path / "segments.csv").read_text().endswith(",cut\n")
    assert CAFE in (tmp_path / "queries.jsonl").read_text(encoding="utf-8")


def test_two_answers_to_one_question_are_named_with_their_rows(tmp_path: Path) -> None:
    folder = make(tmp_path, "", [{"answer": "red"}, {"answer": "red", "time": 6.0}, {"answer": "blue"}])
    assert check_dataset(folder) == [
        "queries.jsonl:3: question 'Which?' of 'a' at 5.000 s expects one row, got the answers red, blue "
        "(queries.jsonl:1, queries.jsonl:3). Keep one of them: training and evaluation refuse more."
    ]


QUESTIONS = st.builds(
    Query,
    video=st.just("a"),
    time=st.sampled_from([1.0, 1.0004, 2.0]),
    kind=st.just("question"),
    question=st.sampled_from(["Who?", "What?"]),
    answer=st.sampled_from(["red", "blue"]),
    choices=st.sampled_from([(), ("red", "blue")]),
)


@settings(max_examples=25, deadline=None)
@given(queries=st.lists(QUESTIONS, max_size=4))
def test_the_check_names_whatever_evaluation_refuses(
    queries: list[Query], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, DatasetInfo(name="d"), [Video(video="a", split="test", duration=9.0)], [], queries)
    store = FeatureStore.create_in(folder, external_fingerprint("x", 4))
    store.write("a", np.zeros((36, 3)), np.arange(36) / 4)
    dataset = Dataset.load(folder)
    try:
        QuerySet(dataset, store, "test", dataset.queries)
        refused = False
    except UserError as error:
        refused = True
        assert "expects each question once" in str(error)
    assert bool(check_dataset(folder, features=False)) == refused


def test_queries_before_the_first_features_are_named(tmp_path: Path) -> None:
    folder = make(tmp_path, "", [{"answer": "red", "time": 0.5}, {"answer": "red", "time": 3.0}])
    store = FeatureStore.create_in(folder, external_fingerprint("x", 4))
    store.write("a", np.zeros((32, 3)), 1 + np.arange(32) / 4)
    (problem,) = check_dataset(folder)
    assert "a.npy: expects queries at or after the first frame, 1.000 s, got 1 before it, the first at 0.5" in problem


def test_letters_that_nobody_sees_make_no_classes(tmp_path: Path) -> None:
    unseen = ("cu\u00adt", "cut\u202e", "\u2067cut\u2069", "cut\u200f", "cut")
    segments = "".join(f"a,{start},{start + 1},{name}\n" for start, name in enumerate(unseen))
    assert Dataset.load(make(tmp_path, segments)).action_labels == ("cut",)
    assert normal_text("\u0646\u200c\u0645") == "\u0646\u200c\u0645"  # Persian needs its joiners


@pytest.mark.parametrize("letter", ["\x00", "\x1b", "\x7f", "\x9b"])
def test_control_characters_are_refused(tmp_path: Path, letter: str) -> None:
    problems = check_dataset(
        make(tmp_path, f"a,0,1,c{letter}t\n", [{"answer": f"r{letter}d"}], labels={"action": ["cut"]})
    )
    assert [problem.split(", got")[0] for problem in problems] == [
        "segments.csv:2: 'label' expects text without control characters",
        "queries.jsonl:1: 'answer' expects text without control characters",
    ]


def test_a_class_that_is_written_in_two_cases_is_named(tmp_path: Path) -> None:
    problems = check_dataset(
        make(tmp_path, "a,0,1,cut\na,1,2,Cut\na,2,3,CUT\n", [{"answer": "Red"}, {"time": 6.0, "answer": "red"}])
    )
    assert problems == [
        "segments.csv:3: 'label' expects names that differ by more than case, got 'Cut' besides 'cut' "
        "(segments.csv:2). Write one of them, or list both in labels.action of dataset.json if they are two.",
        "queries.jsonl:2: 'answer' expects names that differ by more than case, got 'red' besides 'Red' "
        "(queries.jsonl:1). Write one of them, or list both in labels.answer of dataset.json if they are two.",
    ]


def test_listed_names_and_choices_may_differ_in_case_alone(tmp_path: Path) -> None:
    queries = [{"answer": "Red", "choices": ["Red", "blue"]}, {"time": 6.0, "answer": "red", "choices": ["red", "x"]}]
    folder = make(tmp_path, "a,0,1,cut\na,1,2,Cut\n", queries, labels={"action": ["cut", "Cut"]})
    assert check_dataset(folder) == []


def test_videos_and_groups_that_differ_in_case_alone_are_named(tmp_path: Path) -> None:
    videos = [("a", "Anna"), ("A", "anna"), ("b", "Ben")]
    folder = make(tmp_path)
    rows = [{"video": video, "split": "train", "duration": 9.0, "group": group} for video, group in videos]
    (folder / "videos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [problem.split(" expects")[0] for problem in check_dataset(folder)] == [
        "videos.jsonl:2: 'video'",
        "videos.jsonl:2: 'group'",
    ]


def test_a_data_set_without_videos_is_named(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "videos.jsonl").write_text("\n")
    (problem,) = check_dataset(folder)
    assert problem.startswith("videos.jsonl: expects at least one video, got none. Add a row a video")


def test_rows_that_are_equal_to_the_millisecond_are_copies(tmp_path: Path) -> None:
    problems = check_dataset(make(tmp_path, "a,0,1,cut\na,2,3,cut\na,0.0001,1,cut\na,0,1,cut\n"))
    assert problems == [
        f"segments.csv:{line}: segments.csv expects every row once, got the row of segments.csv:2 again. "
        "Remove one of them."
        for line in (4, 5)
    ]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_of_videos_in_parts_of_letters_are_found(tmp_path: Path, form: str) -> None:
    folder, name = make(tmp_path), unicodedata.normalize(form, "café")
    rows = [
        {"video": name, "split": "train", "duration": 9.0, "group": "x", "path": "v.mp4"},
        {"video": "b", "split": "test", "duration": 9.0, "group": "x", "path": "v.mp4"},
    ]
    (folder / "videos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    problems = check_dataset(folder, videos=False)
    assert [problem.split(":")[1] for problem in problems] == ["1", "2"]  # the group, the file


def test_links_that_lead_in_a_circle_are_missing_files(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "v.mp4").symlink_to("v.mp4")
    (folder / "videos.jsonl").write_text('{"video": "a", "split": "train", "duration": 9.0, "path": "v.mp4"}\n')
    (problem,) = check_dataset(folder)
    assert problem.startswith("videos.jsonl:1: 'path' expects a video file, got v.mp4, which does not exist")


@pytest.mark.parametrize("table", ["segments.csv", "queries.jsonl"])
def test_tables_that_are_no_files_are_not_passed_over(tmp_path: Path, table: str) -> None:
    folder = make(tmp_path)
    (folder / table).unlink(missing_ok=True)
    (folder / table).symlink_to("elsewhere")
    (problem,) = check_dataset(folder)
    assert problem == f"{table}: expects a file, got a link to nothing. Remove it, or put the table in its place."
    (folder / table).unlink()
    (folder / table).mkdir()
    with pytest.raises(DataError, match=f"^{table}: expects a file, got a folder. Remove it"):
        Dataset.load(folder)


def test_what_the_check_passes_can_be_written_again(tmp_path: Path) -> None:
    problems = check_dataset(make(tmp_path, "a,2,2.0004,cut\n"))
    assert [problem.split(", got")[0] for problem in problems] == [
        "segments.csv:2: a segment expects 0 <= start < end, a millisecond apart at least"
    ]
    (tmp_path / "videos.jsonl").write_text('{"video": "a", "split": "train", "duration": 0.0001}\n')
    assert "videos.jsonl:1: 'duration' expects seconds above 0, a millisecond at least, got 0.0001." in check_dataset(
        tmp_path
    )


def test_a_field_that_stands_twice_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "queries.jsonl").write_text(
        '{"video": "a", "time": 5, "time": 6, "kind": "question", "question": "Which?", "answer": "red"}\n'
    )
    assert check_dataset(folder) == [
        "queries.jsonl:1: expects every field once, got 'time' more than once. Keep one of them."
    ]
    (folder / "dataset.json").write_text('{"name": "d", "labels": {"action": ["a"], "action": ["b"]}}')
    with pytest.raises(DataError, match=r"^dataset.json: expects every field once, got 'action' more than once"):
        Dataset.load(folder)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_table_without_commas_or_header_says_so(tmp_path: Path, separator: str) -> None:
    folder = make(tmp_path)
    (folder / "segments.csv").write_text(separator.join(("video", "start", "end", "label")) + "\n")
    with pytest.raises(DataError, match=r"^segments.csv:1: expects a header .* with commas between, got 'video"):
        Dataset.load(folder)
    (folder / "segments.csv").write_text("a,0,1,cut\n")
    with pytest.raises(DataError, match=r"got 'a,0,1,cut'. Write it above the rows"):
        Dataset.load(folder)


def test_the_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    folder = make(tmp_path, "a,0,1,cut\na,1,2,")
    with (folder / "segments.csv").open("ab") as file:
        file.write(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"^segments.csv:3: expects UTF-8 text, got the byte 0xe9. Save the file as"):
        Dataset.load(folder)


def test_features_that_end_long_before_their_video_are_named(tmp_path: Path) -> None:
    folder = make(tmp_path)
    store = FeatureStore.create_in(folder, external_fingerprint("x", 8))
    store.write("a", np.zeros((36, 3)), np.arange(36) / 8)  # of 4 a second, in truth
    (problem,) = check_dataset(folder)
    assert "a.npy: expects times up to the video's end, 9.0 s, got the last at 4.375. Make the features" in problem
