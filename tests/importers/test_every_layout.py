"""What holds for every layout: nothing of the source changes, the result is sound, and text may come from Windows."""

import re
import time
from pathlib import Path

import pytest
from layouts import LAYOUTS, Layout

from vidseq.cli import main
from vidseq.data.check import check_dataset
from vidseq.importers import IMPORTERS

OTHERS = {"mstcn", "epic", "folder"}  # whose tests stand in files of their own


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.name)
def layout(request: pytest.FixtureRequest) -> Layout:
    return request.param


@pytest.fixture
def source(layout: Layout, tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    layout.write(tmp_path / "in")
    return tmp_path / "in"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_layout_is_here() -> None:
    assert {layout.name for layout in LAYOUTS} | OTHERS == IMPORTERS.keys()


def test_the_result_is_sound_and_the_source_as_it_was(layout: Layout, source: Path, tmp_path: Path) -> None:
    before = files_of(source)
    report = IMPORTERS[layout.name](source / layout.source, tmp_path / "out", **layout.arguments(source))
    assert files_of(source) == before
    assert (report.num_videos, report.num_segments, report.num_queries, report.num_features) == layout.counts
    assert report.skipped == ()
    assert check_dataset(tmp_path / "out") == []


def test_the_command(layout: Layout, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "convert", "--from", layout.name, str(source / layout.source), "--out", str(tmp_path / "out")]
    for name, value in layout.arguments(source).items():
        words += [f"--{name}", str(value)]
    assert main(words) == 0, capsys.readouterr().err
    assert f"{layout.counts[0]} videos, {layout.counts[1]} segments" in capsys.readouterr().out


def test_the_command_replaces_a_data_set_only_if_asked_to(
    layout: Layout, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "convert", "--from", layout.name, str(source / layout.source), "--out", str(tmp_path / "out")]
    words += [word for name, value in layout.arguments(source).items() for word in (f"--{name}", str(value))]
    assert main(words) == 0, capsys.readouterr().err
    corrected = tmp_path / "out" / "segments.csv"
    corrected.write_text("video,start,end,label\n")
    assert main(words) == 2
    assert re.search("A data set expects '.*' to be new, .* or use --overwrite", capsys.readouterr().err)
    assert corrected.read_text() == "video,start,end,label\n"
    assert main([*words, "--overwrite"]) == 0


def test_a_byte_order_mark_and_windows_line_ends(layout: Layout, source: Path, tmp_path: Path) -> None:
    convert = IMPORTERS[layout.name]
    convert(source / layout.source, tmp_path / "expected", **layout.arguments(source))
    for path in [path for path in source.rglob("*") if path.suffix in (".json", ".csv", ".txt")]:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    convert(source / layout.source, tmp_path / "out", **layout.arguments(source))
    for name in ("dataset.json", "videos.jsonl", "segments.csv", "queries.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes()


def test_a_source_that_is_not_there(layout: Layout, tmp_path: Path) -> None:
    options = layout.arguments(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=rf"The {layout.name if layout.name != 'rulstm' else 'epic'} layout expects"
    ):
        IMPORTERS[layout.name](tmp_path / "nowhere", tmp_path / "out", **options)
    assert not (tmp_path / "out" / "dataset.json").exists()


ROWS = 250_000


def many_activitynet(folder: Path) -> Path:
    actions = ",".join(f'{{"segment": [{n}.25, {n + 1}.5], "label": "a{n % 7}"}}' for n in range(50))
    videos = ",\n".join(
        f'"v{n}": {{"subset": "training", "duration": 60.0, "annotations": [{actions}]}}' for n in range(ROWS // 50)
    )
    (folder / "anet.json").write_text(f'{{"database": {{{videos}}}}}')
    return folder / "anet.json"


def many_kinetics(folder: Path) -> Path:
    rows = "".join(f"class {n % 400},id{n:09d},0,10,train,0\n" for n in range(ROWS))
    (folder / "train.csv").write_text("label,youtube_id,time_start,time_end,split,is_cc\n" + rows)
    return folder / "train.csv"


def many_charades(folder: Path) -> Path:
    (folder / "Charades_v1_classes.txt").write_text("c000 Sit\nc001 Stand\n")
    actions = ";".join(f"c00{n % 2} {n}.00 {n + 2}.00" for n in range(25))
    rows = "".join(f"V{n:05d},S{n},x,{actions},30.0\n" for n in range(ROWS // 25))
    (folder / "Charades_v1_train.csv").write_text("id,subject,script,actions,length\n" + rows)
    return folder


def many_ego4d_lta(folder: Path) -> Path:
    (folder / "fho_lta_taxonomy.json").write_text('{"verbs": ["take", "put"], "nouns": ["cup"]}')
    rows = ",".join(
        f'{{"video_uid": "v{n // 100}", "clip_uid": "c{n // 100}", "action_clip_start_sec": {n % 100}.0, '
        f'"action_clip_end_sec": {n % 100 + 8}.0, "verb_label": {n % 2}, "noun_label": 0}}'
        for n in range(ROWS)
    )
    (folder / "fho_lta_train.json").write_text(f'{{"clips": [{rows}]}}')
    return folder


def many_nextqa(folder: Path) -> Path:
    rows = "".join(f"v{n // 10},300,1,1,why {n},{n % 5},{n},CW,a,b,c,d,e\n" for n in range(ROWS))
    header = "video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"
    (folder / "train.csv").write_text(header + rows)
    return folder


def many_epic(folder: Path) -> Path:
    (folder / "actions.csv").write_text("id,verb,noun,action\n0,0,0,take cup\n1,1,0,put cup\n")
    rows = "".join(
        f"x{n},P01_{n // 100},{30 * (n % 100)},{30 * (n % 100) + 45},{n % 2},0,{n % 2}\n" for n in range(ROWS)
    )
    (folder / "training.csv").write_text(rows)
    return folder


MANY = {
    "activitynet": many_activitynet,
    "kinetics": many_kinetics,
    "charades": many_charades,
    "ego4d_lta": many_ego4d_lta,
    "nextqa": many_nextqa,
    "epic": many_epic,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY)
def test_a_quarter_of_a_million_rows_take_seconds(name: str, tmp_path: Path) -> None:
    source = MANY[name](tmp_path)
    begin = time.process_time()
    report = IMPORTERS[name](source, tmp_path / "out")
    assert time.process_time() - begin < 60  # 3 to 20 on one core
    assert (report.num_queries if name in ("nextqa", "kinetics") else report.num_segments) == ROWS


def test_ten_times_the_rows_take_about_ten_times_as_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(rows: int) -> float:
        monkeypatch.setitem(globals(), "ROWS", rows)
        folder = tmp_path / str(rows)
        folder.mkdir()
        source = many_kinetics(folder)
        begin = time.process_time()
        IMPORTERS["kinetics"](source, folder / "out")
        return time.process_time() - begin

    assert seconds(10_000) < 30 * seconds(1_000)  # a hundred times, if anything were looked up row by row
