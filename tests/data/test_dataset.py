import contextlib
import dataclasses
import json
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidseq.data.dataset import Dataset, read_dataset, write_dataset
from vidseq.data.fields import normal_text
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.errors import DataError

INFO = DatasetInfo(
    name="kitchen",
    fps=Fraction(30000, 1001),
    labels={"action": ("cut", "stir"), "answer": ("red", "blue")},
    tasks={"next_action": {"anticipation_seconds": 1.0}},
    licence="CC0",
    source="made up",
)
VIDEOS = [
    Video(video="a", split="train", duration=10.0, fps=Fraction(25), path="videos/a.mp4", group="anna"),
    Video(video="b", split="test", duration=8.0),
]
SEGMENTS = [
    Segment(video="a", start=1.0, end=2.5, label="cut"),
    Segment(video="a", start=2.0, end=4.0, label="stir", track="left, hand"),
]
QUERIES = [
    Query(
        video="a",
        time=5.0,
        kind="question",
        question='What colour is the "bowl"?',
        answer="red",
        family="colour",
        evidence=((1.0, 2.0), (3.5, 4.0)),
        certificate_seconds=1.5,
        ceiling=((1.0, 0.25), (float("inf"), 1.0)),
        tier="overwrite",
        pair="p1",
    ),
    Query(video="b", time=0.0, kind="question", question="Who?", answer="Frank", choices=("Frank", "Ida")),
    Query(video="b", time=3.0, kind="next_action", answer="stir", cause="cue"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dataset(tmp_path, INFO, VIDEOS, SEGMENTS, QUERIES)
    return tmp_path


def replace_line(path: Path, number: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[number - 1] = text
    path.write_text("\n".join(lines) + "\n")


def change(path: Path, number: int, **fields: object) -> None:
    """Changes fields of a JSON line; None takes one away."""
    row = json.loads(path.read_text().splitlines()[number - 1])
    row.update(fields)
    replace_line(path, number, json.dumps({key: value for key, value in row.items() if value is not None}))


def test_what_is_written_is_read(folder: Path) -> None:
    dataset = Dataset.load(folder)
    assert dataset == Dataset(folder, INFO, {video.video: video for video in VIDEOS}, SEGMENTS, QUERIES)
    assert sorted(path.name for path in folder.iterdir()) == [
        *("dataset.json", "queries.jsonl", "segments.csv", "videos.jsonl")
    ]


def test_the_smallest_data_set_by_hand(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('{"name": "tiny"}')
    (tmp_path / "videos.jsonl").write_text('{"video": "v", "split": "train", "duration": 3, "fps": "30000/1001"}')
    dataset = Dataset.load(tmp_path)
    assert dataset.videos["v"].fps == Fraction(30000, 1001)
    assert dataset.segments == dataset.queries == []


@given(rows=st.lists(st.sampled_from(['"cut', 'cut"', '"cut"', 'c"u"t', '"c""ut"', '"cut"s', "cut"]), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_stray_quote_swallows_no_rows(tmp_path: Path, rows: list[str]) -> None:
    (tmp_path / "dataset.json").write_text('{"name": "d"}')
    (tmp_path / "videos.jsonl").write_text('{"video": "a", "split": "train", "duration": 9}\n')
    lines = ["video,start,end,label", *(f"a,{start},{start + 1},{label}" for start, label in enumerate(rows))]
    (tmp_path / "segments.csv").write_text("\n".join(lines) + "\n")
    wrong = next((line for line, row in enumerate(rows, 2) if row in ('"cut', '"cut"s')), None)
    if wrong is None:
        assert len(Dataset.load(tmp_path).segments) == len(rows)
    else:
        with pytest.raises(
            DataError, match=rf"^segments.csv:{wrong}: (expects a row of CSV|a row expects values of one)"
        ):
            Dataset.load(tmp_path)


def test_windows_line_ends_and_byte_order_marks(folder: Path) -> None:
    expected = Dataset.load(folder)
    for path in folder.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert Dataset.load(folder) == expected


def test_empty_lines_do_not_count_but_keep_their_number(folder: Path) -> None:
    path = folder / "videos.jsonl"
    path.write_text("\n" + path.read_text().replace('"test"', '"tset"'))
    with pytest.raises(DataError, match=r"^videos.jsonl:3: 'split' expects .* got 'tset'. Did you mean 'test'\?"):
        Dataset.load(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vidoe": "a"}, r"^videos.jsonl:1: unknown field 'vidoe'. Did you mean 'video'\? Known fields: video, split"),
        ({"duration": None}, r"^videos.jsonl:1: field 'duration' is missing"),
        ({"duration": -1}, r"^videos.jsonl:1: 'duration' expects seconds.* got -1"),
        ({"duration": 0}, r"^videos.jsonl:1: 'duration' expects seconds above 0, a millisecond at least, got 0"),
        ({"duration": "10"}, r"'duration' expects seconds.* got '10'"),
        ({"duration": 10**400}, r"'duration' expects seconds such as 63.5, a finite number"),
        ({"duration": True}, r"'duration' expects seconds.* got True"),
        ({"duration": float("nan")}, r"^videos.jsonl:1: expects finite numbers, got NaN"),
        ({"fps": "30/0"}, r"^videos.jsonl:1: fps expects a rate above 0 such as 25 or \"30000/1001\", got '30/0'"),
        ({"fps": "fast"}, r"fps expects a rate above 0 .* got 'fast'"),
        ({"fps": "1e999999999"}, r"fps expects a rate above 0 .* got '1e999999999'"),
        ({"fps": 0}, r"fps expects a rate above 0 .* got 0"),
        ({"video": "a/b"}, r"'video' expects a name that any system takes for a file .* got 'a/b'"),
        ({"video": ".a"}, r"'video' expects a name that any system takes"),
        ({"video": "b"}, r"^videos.jsonl:2: 'video' expects a name that is used once, got 'b' as in videos.jsonl:1"),
        ({"split": "dev"}, r"^videos.jsonl:1: 'split' expects one of the splits of dataset.json \(train, val, test\)"),
        ({"group": ""}, r"'group' expects a text, got ''"),
    ],
)
def test_bad_videos(folder: Path, fields: dict[str, object], message: str) -> None:
    change(folder / "videos.jsonl", 1, **fields)
    with pytest.raises(DataError, match=message):
        Dataset.load(folder)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("c,1,2,cut,", r"^segments.csv:2: 'video' expects one of videos.jsonl, got 'c'. Add its row there"),
        ("a,1,2,sit,", r"^segments.csv:2: 'label' expects one of labels.action of dataset.json, got 'sit'"),
        ("a,1,2,cutt,", r"got 'cutt'. Did you mean 'cut'\? labels.action: cut, stir\."),
        (
            "a,2,2,cut,",
            r"^segments.csv:2: a segment expects 0 <= start < end, a millisecond apart at least, got start 2.0",
        ),
        ("a,3,2,cut,", r"a segment expects 0 <= start < end"),
        ("a,-1,2,cut,", r"^segments.csv:2: 'start' expects seconds.* got '-1'"),
        ("a,nan,2,cut,", r"'start' expects seconds.* got 'nan'"),
        ("a,1,inf,cut,", r"'end' expects seconds.* got 'inf'"),
        ("a,1,x,cut,", r"'end' expects seconds.* got 'x'"),
        ("a,1,10.1,cut,", r"^segments.csv:2: 'end' expects at most the duration of 'a', 10.0 s, got 10.1"),
        ("a,1,2", r"^segments.csv:2: a row expects 5 values \(video,start,end,label,track\), got 3"),
        ("a,1,2,,", r"'label' expects a text, got ''"),
        ("a,0,1_0,cut,", r"'end' expects seconds.* got '1_0'"),
        ("a,0,\uff11,cut,", r"'end' expects seconds.* got '\uff11'"),
    ],
)
def test_bad_segments(folder: Path, row: str, message: str) -> None:
    replace_line(folder / "segments.csv", 2, row)
    with pytest.raises(DataError, match=message):
        Dataset.load(folder)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("video,start,end", r"^segments.csv:1: column 'label' is missing. .* needed: video,start,end,label|label"),
        ("video,start,end,lable,track", r"^segments.csv:1: unknown column 'lable'. Did you mean 'label'\?"),
        ("video,start,end,label,label", r"^segments.csv:1: expects every column once, got 'label' 2 times"),
        ("", r"^segments.csv:1: expects a header with the columns video,start,end,label, got an empty line"),
    ],
)
def test_bad_header(folder: Path, header: str, message: str) -> None:
    replace_line(folder / "segments.csv", 1, header)
    with pytest.raises(DataError, match=message):
        Dataset.load(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"video": "A"}, r"^queries.jsonl:1: 'video' expects one of videos.jsonl, got 'A'"),
        ({"time": 10.5}, r"^queries.jsonl:1: 'time' expects seconds from 0 to the duration of 'a', 10.0 s, got 10.5"),
        ({"time": -0.5}, r"'time' expects seconds.* got -0.5"),
        ({"time": None}, r"field 'time' is missing"),
        (
            {"kind": "questoin"},
            r"'kind' expects one of question, next_action, got 'questoin'. Did you mean 'question'",
        ),
        ({"answer": "green"}, r"'answer' expects one of labels.answer of dataset.json, got 'green'"),
        ({"question": None}, r"a query of kind question expects a 'question', got none"),
        ({"choices": ["blue"]}, r"'answer' expects one of the choices \['blue'\], got 'red'"),
        ({"choices": ["red", "red"]}, r"'choices' expects every text once, got 'red' 2 times"),
        ({"choices": "red"}, r"'choices' expects a list of texts, got 'red'"),
        ({"evidence": [[1, 6]]}, r"'evidence' expects .* <= time \(5.0\), got \[1.0, 6.0\]. Evidence must end"),
        ({"evidence": [[2, 1]]}, r"'evidence' expects a list of intervals \[start, end\], .* got \[2, 1\]"),
        ({"evidence": [[-1, 1]]}, r"'evidence' expects a list of intervals"),
        ({"evidence": 3}, r"'evidence' expects a list of intervals .* got 3"),
        ({"ceiling": [[1.0, 1.5]]}, r"'ceiling' expects a list of \[context seconds .* got \[1.0, 1.5\]"),
        ({"certificate_seconds": -1}, r"'certificate_seconds' expects seconds"),
        ({"evidnce": []}, r"unknown field 'evidnce'. Did you mean 'evidence'"),
    ],
)
def test_bad_queries(folder: Path, fields: dict[str, object], message: str) -> None:
    change(folder / "queries.jsonl", 1, **fields)
    with pytest.raises(DataError, match=message):
        Dataset.load(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"video": "a", ',
            r"^queries.jsonl:3: expects one JSON object in this line, got text that goes wrong at character 15",
        ),
        ("[1, 2]", r"^queries.jsonl:3: expects one JSON object in this line, in braces, got \[1, 2\]"),
        ('{"video": "\\ud800"}', r"^queries.jsonl:3: expects text, got half a character"),
        ("[" * 100_000, r"^queries.jsonl:3: expects one JSON object, got one nested too deep"),
    ],
)
def test_malformed_json(folder: Path, line: str, message: str) -> None:
    replace_line(folder / "queries.jsonl", 3, line)
    with pytest.raises(DataError, match=message):
        Dataset.load(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", r"^dataset.json: field 'name' is missing"),
        ('{"name": "x", "lables": {}}', r"^dataset.json: unknown field 'lables'. Did you mean 'labels'"),
        (
            '{"name": "x", "labels": {"acton": []}}',
            r"^dataset.json: labels: unknown field 'acton'. Did you mean 'action'",
        ),
        ('{"name": "x", "labels": {"action": ["a", "a"]}}', r"'action' expects every text once, got 'a' 2 times"),
        (
            '{"name": "x", "labels": {"action": ["a"]}, "background": "b"}',
            r"'background' expects one of labels.action",
        ),
        ('{"name": "x", "fps": "0"}', r"^dataset.json: fps expects a rate above 0"),
        ('{"name": "x", "tasks": {"next_action": 1}}', r"'tasks' expects an object such as"),
        ('{"name": "x", "observations": "dreams"}', r"'observations' expects one of video, features, symbolic"),
        ('{"name": "x",\n "fps" 3}', r"^dataset.json: expects one JSON object, got text that goes wrong at line 2"),
    ],
)
def test_bad_header_file(folder: Path, text: str, message: str) -> None:
    (folder / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=message):
        Dataset.load(folder)


def test_text_that_is_not_utf8(folder: Path) -> None:
    (folder / "queries.jsonl").write_bytes(b'{"video": "caf\xe9"}\n')
    with pytest.raises(DataError, match=r"^queries.jsonl:\d+: expects UTF-8 text, got the byte 0xe9"):
        Dataset.load(folder)


def test_a_folder_that_is_no_data_set(tmp_path: Path) -> None:
    expected = "expects a folder with the file dataset.json, got .*"
    with pytest.raises(FileNotFoundError, match=expected + r"which has none\..*vidseq data init"):
        Dataset.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=expected + r"which does not exist\."):
        Dataset.load(tmp_path / "nowhere")
    (tmp_path / "film.mp4").touch()
    with pytest.raises(FileNotFoundError, match=expected + r"which is a file\."):
        Dataset.load(tmp_path / "film.mp4")


def test_all_problems_can_be_collected(folder: Path) -> None:
    change(folder / "queries.jsonl", 1, time=99)
    replace_line(folder / "segments.csv", 2, "a,5,4,cut,")
    problems: list[str] = []
    dataset = read_dataset(folder, lambda problem: problems.append(str(problem)))
    assert [problem.split(": ")[0] for problem in problems] == ["segments.csv:2", "queries.jsonl:1"]
    assert len(dataset.segments) == 1 and len(dataset.queries) == 2


def test_nothing_is_written_where_a_row_is_wrong(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for bad in (
        dataclasses.replace(SEGMENTS[0], end=float("nan")),
        dataclasses.replace(SEGMENTS[0], start=1.0, end=1.0001),
        dataclasses.replace(SEGMENTS[0], end=11.0),
    ):
        with pytest.raises(DataError, match=r"^segments.csv:2: "):
            write_dataset(folder, INFO, VIDEOS, [bad])
    with pytest.raises(DataError, match=r"^queries.jsonl:1: expects finite numbers, got NaN"):
        write_dataset(folder, INFO, VIDEOS, [], [dataclasses.replace(QUERIES[0], time=float("nan"))])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_full_disk_leaves_the_old_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vidseq.data.format.query_json", full)
    with pytest.raises(OSError, match="No space left"):
        Dataset.load(folder).save()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_writing_again_forgets_old_rows(folder: Path) -> None:
    write_dataset(folder, INFO, VIDEOS)
    assert Dataset.load(folder).queries == [] and Dataset.load(folder).segments == []


def test_times_are_written_to_the_millisecond(folder: Path) -> None:
    write_dataset(folder, INFO, VIDEOS, [Segment(video="a", start=1 / 3, end=2 / 3, label="cut")])
    assert (folder / "segments.csv").read_text().splitlines()[1] == "a,0.333,0.667,cut"


def test_views(folder: Path) -> None:
    dataset = Dataset.load(folder)
    assert [video.video for video in dataset.split("test")] == ["b"]
    assert dataset.segments_of("a") == SEGMENTS and dataset.segments_of("b") == []
    assert dataset.queries_of("b") == QUERIES[1:]
    assert dataset.video_path("a") == folder / "videos/a.mp4" and dataset.video_path("b") is None
    assert (dataset.group_of("a"), dataset.group_of("b")) == ("anna", "b")
    assert dataset.action_labels == ("cut", "stir") and dataset.answer_labels == ("red", "blue")
    with pytest.raises(DataError, match=r"Data set 'kitchen' has no split 'tests'. Did you mean 'test'\?"):
        dataset.split("tests")
    with pytest.raises(DataError, match=r"Data set 'kitchen' has no video 'c'"):
        dataset.segments_of("c")


def test_labels_are_found_where_none_are_listed(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, DatasetInfo(name="free"), VIDEOS, SEGMENTS, QUERIES)
    assert dataset.action_labels == ("cut", "stir") and dataset.answer_labels == ("Frank", "red")


def test_groups_in_two_splits(folder: Path) -> None:
    dataset = Dataset.load(folder)
    assert dataset.shared_groups() == {}
    change(folder / "videos.jsonl", 2, group="anna")
    assert Dataset.load(folder).shared_groups() == {"anna": ["test", "train"]}


@pytest.mark.timeout(60)
def test_a_quarter_of_a_million_rows_take_seconds(tmp_path: Path) -> None:
    write_dataset(tmp_path, INFO, [Video(video="v", split="train", duration=2000.0)])
    rows = "".join(f"v,{n / 100},{n / 100 + 1},cut\n" for n in range(125_000))
    (tmp_path / "segments.csv").write_text("video,start,end,label\n" + rows)
    row = '{"video": "v", "time": %s, "kind": "next_action", "answer": "stir"}\n'
    (tmp_path / "queries.jsonl").write_text("".join(row % (n / 100) for n in range(125_000)))
    start = time.process_time()
    dataset = Dataset.load(tmp_path)
    assert time.process_time() - start < 10
    assert len(dataset.segments) == len(dataset.queries) == 125_000


words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6).map(normal_text)
names = st.lists(words, min_size=1, max_size=2).map(" ".join)
identifiers = st.from_regex(r"[A-Za-z0-9_é][A-Za-z0-9_é-]{0,10}", fullmatch=True)
rates = st.none() | st.fractions(min_value=Fraction(1, 100), max_value=1000, max_denominator=10**12)
DURATION = 100_000


@st.composite
def intervals(draw: st.DrawFn, last: int) -> tuple[float, float]:
    start, end = sorted(draw(st.lists(st.integers(0, last), min_size=2, max_size=2, unique=True)))
    return start / 1000, end / 1000


@st.composite
def data_sets(draw: st.DrawFn) -> Dataset:
    actions = tuple(draw(st.lists(names, min_size=1, max_size=4, unique=True)))
    info = DatasetInfo(
        name=draw(names),
        fps=draw(rates),
        labels={"action": actions},
        background=draw(st.none() | st.sampled_from(actions)),
        observations=draw(st.sampled_from(("video", "features", "symbolic"))),
    )
    videos = {
        name: Video(
            video=name,
            split=draw(st.sampled_from(info.splits)),
            duration=DURATION / 1000,
            fps=draw(rates),
            group=draw(st.none() | names),
        )
        for name in draw(st.lists(identifiers, min_size=1, max_size=4, unique=True))
    }
    segments = []
    for start, end in draw(st.lists(intervals(DURATION), max_size=6)):
        video, label = draw(st.sampled_from(sorted(videos))), draw(st.sampled_from(actions))
        segments.append(Segment(video=video, start=start, end=end, label=label, track=draw(st.just("") | names)))
    queries = []
    for time_ms in draw(st.lists(st.integers(1, DURATION), max_size=4)):
        queries.append(
            Query(
                video=draw(st.sampled_from(sorted(videos))),
                time=time_ms / 1000,
                kind="question",
                question=draw(names),
                answer=draw(names),
                family=draw(st.none() | names),
                evidence=tuple(draw(st.lists(intervals(time_ms), max_size=3))),
                certificate_seconds=draw(st.none() | st.integers(0, DURATION).map(lambda ms: ms / 1000)),
            )
        )
    return Dataset(Path(), info, videos, segments, queries)


@settings(deadline=None, max_examples=30)
@given(data_sets())
def test_any_data_set_survives_writing(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> None:
    folder = tmp_path_factory.mktemp("data")
    dataset = dataclasses.replace(dataset, folder=folder)
    dataset.save()
    assert Dataset.load(folder) == dataset


@settings(max_examples=2 * settings.default.max_examples, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["dataset.json", "videos.jsonl", "segments.csv", "queries.jsonl"]),
    st.integers(0, 600),
    st.integers(0, 4),
    st.binary(max_size=4)
    | st.sampled_from([b'"', b"null", b"[]", b"{}", b"-1", b"1e999", b"NaN", b"\n", b"\x00", b","]),
)
def test_damaged_files_are_refused_or_read(
    good_and_bad: tuple[Path, Path], name: str, place: int, length: int, insert: bytes
) -> None:
    good, bad = good_and_bad
    for path in good.iterdir():
        (bad / path.name).write_bytes(path.read_bytes())
    content = (good / name).read_bytes()
    (bad / name).write_bytes(content[:place] + insert + content[place + length :])
    with contextlib.suppress(DataError):
        Dataset.load(bad)


@pytest.fixture
def good_and_bad(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return folder, tmp_path_factory.mktemp("bad")
