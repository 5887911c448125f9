"""From a video file and a model folder to rows; files, folders and streams give the same answers."""

import csv
import dataclasses
import json
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from timeline.test_page import Page

from vidseq.checkpoint import load_model, save_model
from vidseq.cli import main
from vidseq.data.dataset import write_dataset
from vidseq.data.schema import DatasetInfo, Query, Video
from vidseq.errors import ModelError, UserError
from vidseq.features.registry import build_backbone
from vidseq.inference import row_reader, run
from vidseq.inference.offline import predict_video, video_features
from vidseq.inference.request import PredictionRequest
from vidseq.inference.run import predict_sources
from vidseq.inference.sources import find_sources
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.video.reader import VideoReader
from vidseq.video.writer import VideoWriter

QUESTION = "What colour was it?"
WHO = "What will Ann do next?"


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model with all tasks on the features of a random CNN."""
    backbone = build_backbone("mobilenet_v3_small", weights="random", engine="torch", input_size=64, device="cpu")
    torch.manual_seed(0)
    config = ModelConfig(
        feature_dim=backbone.dim,
        dim=16,
        labels={"action": ("wave", "jump", "sit"), "answer": ("red", "green", "blue")},
        tasks={"frame_labels": {}, "next_action": {}, "question": {}},
        vocabulary=("ann", "colour", "do", "it", "next", "was", "what", "will"),
        fps="4",
        fingerprint=backbone.fingerprint(4),
    )
    folder = tmp_path_factory.mktemp("model")
    save_model(VideoReasoner(config), folder)
    return folder


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of noise at 10 frames a second."""
    path = tmp_path_factory.mktemp("video") / "noise.mp4"
    rng = np.random.default_rng(0)
    with VideoWriter(path, fps=10) as writer:
        for shade in np.linspace(40, 200, 30):
            writer.write(rng.normal(shade, 20, (96, 128, 3)).clip(0, 255).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def foreteller(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, foretelling besides."""
    known = load_model(model_folder, "cpu").config
    torch.manual_seed(0)
    config = dataclasses.replace(known, tasks={"action_sequence": {"longest_seconds": 20.0}, "question": {}})
    folder = tmp_path_factory.mktemp("foreteller")
    save_model(VideoReasoner(config), folder)
    return folder


PLAN = PredictionRequest(questions=(QUESTION, "What was it?"), at=(1.3, 2.0), next_questions=(WHO,), every=0.75)


def rows_of(source: Path | str, folder: Path, request: PredictionRequest = PLAN, **options: object) -> list[dict]:
    said: list[str] = []
    predict_sources(str(source), folder, request, say=said.append, device="cpu", **options)  # type: ignore[arg-type]
    return [json.loads(line) for line in said]


def test_rows_are_in_seconds_with_names_and_probabilities(video: Path, model_folder: Path) -> None:
    rows = rows_of(video, model_folder)
    questions = [row for row in rows if row["kind"] == "question"]
    assert [(row["time"], row["question"]) for row in questions] == [(1.3, QUESTION), (2.0, "What was it?")]
    assert all(
        row["answer"] == row["ranking"][0][0] and row["answer"] in ("red", "green", "blue") for row in questions
    )
    assert sum(value for _, value in questions[0]["ranking"]) == pytest.approx(1, abs=1e-3)
    nexts = [row for row in rows if row["kind"] == "next_action"]
    assert [row["time"] for row in nexts] == [0.75, 1.5, 2.25, 3.0]
    segments = [row for row in rows if row["kind"] == "frame_labels"]
    assert segments[0]["time"] == 0 and segments[-1]["end"] == 3.0
    assert all(one["end"] == two["time"] for one, two in pairwise(segments))


@pytest.mark.parametrize("live", [False, True])
def test_a_model_that_learnt_from_questions_alone_is_asked_no_others(
    video: Path, model_folder: Path, tmp_path: Path, live: bool
) -> None:
    trained = load_model(model_folder, "cpu")
    asked = {"question": {}, "next_action": {}}
    config = dataclasses.replace(trained.config, tasks=asked, asked_in_words=tuple(asked))
    save_model(VideoReasoner(config), tmp_path)
    for request in (PredictionRequest(questions=(QUESTION,)), PredictionRequest(next_questions=(QUESTION,))):
        assert {row["question"] for row in rows_of(video, tmp_path, request, live=live)} == {QUESTION}
    with pytest.raises(UserError, match="expects a question, for this model learnt from questions alone, got none"):
        rows_of(video, tmp_path, PredictionRequest(), live=live)


def test_a_stream_gives_the_answers_of_the_whole_file(video: Path, model_folder: Path) -> None:
    offline = {(r["kind"], r["time"], r["question"]): r["ranking"] for r in rows_of(video, model_folder)}
    live = {(r["kind"], r["time"], r["question"]): r["ranking"] for r in rows_of(video, model_folder, live=True)}
    asked = {key for key in offline if key[0] != "frame_labels"}
    assert asked == {key for key in live if key[0] != "frame_labels"}
    for key in asked:
        assert dict(map(tuple, live[key])) == pytest.approx(dict(map(tuple, offline[key])), abs=1e-3), key


def test_a_query_sees_nothing_later_than_its_time(video: Path, model_folder: Path) -> None:
    request = PredictionRequest(questions=(QUESTION,), at=(1.3,), every=0.75)
    short = PredictionRequest(questions=(QUESTION,), at=(1.3,), every=0.75, limit_seconds=1.4)
    whole, cut = rows_of(video, model_folder, request), rows_of(video, model_folder, short)
    assert [r["ranking"] for r in whole if r["kind"] == "question"] == [
        r["ranking"] for r in cut if r["kind"] == "question"
    ]


def test_context_cuts_the_past(video: Path, model_folder: Path) -> None:
    from vidseq.checkpoint import load_model
    from vidseq.features.store import VideoFeatures
    from vidseq.inference.sources import backbone_of

    model = load_model(model_folder, "cpu")
    features, end = video_features(video, backbone_of(model, device="cpu"), "4")
    late = features.pts_seconds > 1.0
    only_late = VideoFeatures(features.features[late], features.pts_seconds[late])
    request = PredictionRequest(questions=(QUESTION,), at=(2.0,), every=9.0, context_seconds=1.0)
    wanted = predict_video(model, "x", only_late, end, PredictionRequest(questions=(QUESTION,), at=(2.0,), every=9.0))
    got = predict_video(model, "x", features, end, request)
    assert [row for row in got if row.kind == "question"] == [row for row in wanted if row.kind == "question"]


@pytest.fixture(scope="module")
def dataset_folder(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of the video, with queries that have answers, and a segment."""
    folder = tmp_path_factory.mktemp("dataset")
    (folder / "noise.mp4").write_bytes(video.read_bytes())
    queries = [
        Query(video="n", time=time, kind=kind, question=text, answer=answer)
        for time, kind, text, answer in (
            (2.0, "question", QUESTION, "red"),
            (1.0, "question", QUESTION, "green"),
            (2.5, "next_action", WHO, "jump"),
        )
    ]
    labels = {"action": ("wave", "jump", "sit"), "answer": ("red", "green", "blue")}
    videos = [Video(video="n", split="test", duration=3.0, path="noise.mp4")]
    write_dataset(folder, DatasetInfo(name="noise", labels=labels), videos, [], queries)
    return folder


def test_the_queries_of_a_data_set_are_asked_and_their_answers_stand_beside(
    dataset_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    source = dataset_folder / "noise.mp4"
    rows = [row for row in rows_of(source, model_folder, PredictionRequest(), data=dataset_folder) if row["question"]]
    assert [(row["time"], row["truth"]) for row in rows] == [(1.0, "green"), (2.0, "red"), (2.5, "jump")]
    plan = PredictionRequest(questions=(QUESTION,), at=(2.0,), next_questions=(WHO,), every=2.5)
    asked = {(row["time"], row["question"]): row["ranking"] for row in rows_of(source, model_folder, plan)}
    assert all(asked[row["time"], row["question"]] == row["ranking"] for row in rows if row["time"] > 1)
    cut = rows_of(source, model_folder, PredictionRequest(limit_seconds=2.2), data=dataset_folder)
    assert [row["truth"] for row in cut if row["question"]] == ["green", "red"]
    said: list[str] = []
    out = tmp_path / "rows.srt"
    predict_sources(str(source), model_folder, PredictionRequest(), data=dataset_folder, out=out, say=said.append)
    wrong = sum(row["answer"] != row["truth"] for row in rows)
    assert said == [f"{3 - wrong} of 3 answers are right."]
    assert out.read_text().count("; right: ") == wrong


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"request": PLAN}, "--data asks the data set's own queries, got a question besides"),
        ({"live": True}, "--data expects videos that are read before they are asked, got --stream"),
        (
            {"source": "other.mp4"},
            r"--data expects videos of data set 'noise', got .*other\.mp4, which its",
        ),
        ({"data": "nowhere"}, r"expects .*dataset\.json"),
    ],
)
def test_what_a_data_set_cannot_ask_is_refused(
    options: dict, message: str, dataset_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    source = dataset_folder / options.pop("source", "noise.mp4")
    if not source.exists():
        source = tmp_path / source.name
        source.write_bytes((dataset_folder / "noise.mp4").read_bytes())
    with pytest.raises((UserError, FileNotFoundError), match=message):
        rows_of(source, model_folder, **{"request": PredictionRequest(), "data": dataset_folder, **options})


def test_a_folder_goes_on_after_a_bad_file_and_says_so(video: Path, model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(video.read_bytes())
    (tmp_path / "b.mp4").write_text("no video")
    (tmp_path / "notes.txt").write_text("not looked at")
    request = PredictionRequest(every=1.0)
    failed = predict_sources(str(tmp_path), model_folder, request, out=tmp_path / "rows.csv", device="cpu")
    assert list(failed) == [str(tmp_path / "b.mp4")]
    assert (tmp_path / "rows.csv").read_text().count("\na,") >= 3


def test_a_folder_of_one_and_of_several_gives_a_folder_of_annotated_videos(
    video: Path, model_folder: Path, tmp_path: Path
) -> None:
    folder, seen = tmp_path / "videos", tmp_path / "videos/seen"
    for names in (["cam1/clip.mp4"], ["cam2/clip.mp4"]):
        for name in names:
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_bytes(video.read_bytes())
        rows = rows_of(folder, model_folder, PredictionRequest(limit_seconds=0.5), save_video=seen)
        assert {f"{row['video']}.mp4" for row in rows} == {path.name for path in seen.iterdir()}
    assert sorted(path.name for path in seen.iterdir()) == ["cam1__clip.mp4", "cam2__clip.mp4"]


def test_one_file_name_for_several_videos_is_refused(video: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"--save-video expects a folder where .* 'both\.mp4'\. Name a folder such as 'bo"
    ):
        predict_sources(str(video.parent), tmp_path, PredictionRequest(), save_video=Path("both.mp4"))


def test_the_annotated_video_is_as_long_and_as_large(video: Path, model_folder: Path, tmp_path: Path) -> None:
    rows_of(video, model_folder, save_video=tmp_path / "seen.mp4")
    before, after = VideoReader(video).info, VideoReader(tmp_path / "seen.mp4").info
    assert (after.width, after.height, after.num_frames) == (before.width, before.height, before.num_frames)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"questions": ("a", "b", "c"), "at": (1.0, 2.0)},
            "--at expects one time for all 3 questions or one for each",
        ),
        ({"questions": ("a",), "at": (-1.0,)}, "--at expects times from 0 s on, got -1.0"),
        ({"at": (1.0,)}, "--at expects a --question to ask then, got none"),
        ({"every": 0.0}, "--every expects more than 0, got 0.0"),
        ({"every": 1e-9}, "--every expects at least 0.01 s, got 1e-09"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        PredictionRequest(**options)


@pytest.mark.parametrize("live", [False, True])
def test_what_is_foretold_begins_when_asked_and_has_no_gaps(video: Path, foreteller: Path, live: bool) -> None:
    rows = rows_of(
        video, foreteller, PredictionRequest(futures_at=(2.0, 1.0), questions=(QUESTION,), at=(1.5,)), live=live
    )
    assert sorted({row["kind"] for row in rows}) == ["action_sequence", "question"]
    for time in (1.0, 2.0):
        told = [row for row in rows if row["question"] == f"What happens from {time:.3f} s on?"]
        assert told[0]["time"] == time
        assert all(one["end"] == two["time"] for one, two in pairwise(told))
        for row in told:
            assert row["answer"] in ("wave", "jump", "sit") and row["end"] > row["time"]
            assert row["probability"] == dict(row["ranking"]).get(row["answer"], 0)
            assert sum(share for _, share in row["ranking"]) == pytest.approx(1, abs=1e-3)


def test_a_stream_foretells_what_the_whole_file_does(video: Path, foreteller: Path) -> None:
    at_the_end = rows_of(video, foreteller, PredictionRequest())
    assert at_the_end[0]["time"] == 3.0
    for request in (PredictionRequest(), PredictionRequest(futures_at=(0.5, 1.7))):
        live, whole = rows_of(video, foreteller, request, live=True), rows_of(video, foreteller, request)
        for name in ("time", "end", "answer", "question"):
            assert [row[name] for row in live] == [row[name] for row in whole]
        # The CNN's batches differ in the last bits, on which the throw of a die can hang.
        np.testing.assert_allclose(
            [row["probability"] for row in live], [row["probability"] for row in whole], atol=0.05
        )
    assert rows_of(video, foreteller, PredictionRequest(futures_at=(1.7,), context_seconds=0.5)) != rows_of(
        video, foreteller, PredictionRequest(futures_at=(1.7,))
    )


def test_what_cannot_be_foretold_is_refused(video: Path, foreteller: Path, model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--futures-at expects a model trained for action_sequence, got one for frame"):
        rows_of(video, model_folder, PredictionRequest(futures_at=(1.0,)))
    with pytest.raises(UserError, match=r"--futures-at expects times within the video, .* got 9 s"):
        rows_of(video, foreteller, PredictionRequest(futures_at=(9.0,)))
    rows_of(video, foreteller, PredictionRequest(), save_video=tmp_path / "seen.mp4")  # no row that could be drawn
    with VideoReader(tmp_path / "seen.mp4") as reader:
        assert reader.info.duration_seconds == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("live", [False, True])
def test_a_question_beyond_the_end_is_refused(video: Path, model_folder: Path, live: bool) -> None:
    with pytest.raises(UserError, match=r"within the video, which ends at 3.000 s, got 3.5 s"):
        rows_of(video, model_folder, PredictionRequest(questions=(QUESTION,), at=(3.5,)), live=live)


def test_what_cannot_be_written_is_refused_before_anything_is_read(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for target, message in (({"out": "a.txt"}, "--out expects a file"), ({"save_video": "a.avi"}, r"ends in \.mp4")):
        options = {name: tmp_path / file for name, file in target.items()}
        with pytest.raises(UserError, match=message):
            predict_sources(str(video), tmp_path / "no model", PredictionRequest(), **options)


def test_a_source_that_names_nothing_is_refused(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(video.parent)  # the current folder is not meant, though videos are there
    for source in (str(tmp_path / "*.mp4"), "", " "):
        with pytest.raises(FileNotFoundError, match=r"--source expects a video file, folder, glob, .*got nothing at"):
            find_sources(source)


def test_a_model_of_other_features_is_refused(
    toy_model: VideoReasoner, tmp_path: Path, video: Path, model_folder: Path
) -> None:
    save_model(toy_model, tmp_path)
    with pytest.raises(ModelError, match="a model trained on a CNN's features, got one trained on features 'toy'"):
        rows_of(video, tmp_path)


def test_a_question_to_a_model_that_answers_none_is_refused(model_folder: Path, tmp_path: Path, video: Path) -> None:
    from dataclasses import replace

    from vidseq.checkpoint import load_model

    config = replace(load_model(model_folder, "cpu").config, tasks={"next_action": {}})
    save_model(VideoReasoner(config), tmp_path)
    with pytest.raises(UserError, match="--question expects a model trained for question or answer_words, got"):
        rows_of(video, tmp_path, PredictionRequest(questions=(QUESTION,)))


def test_the_command_writes_what_the_library_says(
    video: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.jsonl"
    command = ["predict", "--source", str(video), "--model", str(model_folder), "--device", "cpu"]
    asked = ["--question", QUESTION, "--at", "1.3", "--question", "What was it?", "--at", "2.0"]
    assert main([*command, *asked, "--next-question", WHO, "--every", "0.75", "--out", str(out)]) == 0
    assert [json.loads(line) for line in out.read_text().splitlines()] == rows_of(video, model_folder)
    assert main([*command, "--out", str(tmp_path / "x.txt")]) == 2
    assert "ends in .jsonl, .csv, .srt" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.jsonl"]


def test_a_page_shows_the_rows_beside_the_video(video: Path, model_folder: Path, tmp_path: Path) -> None:
    rows = rows_of(video, model_folder, html=tmp_path / "out" / "page.html")
    (shown,) = Page((tmp_path / "out" / "page.html").read_text(encoding="utf-8")).data["videos"]
    assert (tmp_path / "out" / shown["file"]).resolve() == video.resolve()
    assert len(shown["queries"]) == len([row for row in rows if row["end"] is None])
    assert len(shown["lines"][0]["bars"]) == len([row for row in rows if row["kind"] == "frame_labels"])


def test_a_page_of_a_live_source_is_refused(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--html expects video files, got a live source"):
        rows_of("0", model_folder, html=tmp_path / "page.html")


def test_a_run_that_goes_on_says_which_videos_its_page_lacks(
    video: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(video.read_bytes())
    real, seen = row_reader.predict_video, []

    def stop_at_b(model: object, name: str, *rest: object) -> object:
        seen.append(name)
        if seen == ["a", "b"]:
            raise KeyboardInterrupt
        return real(model, name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(row_reader, "predict_video", stop_at_b)
    monkeypatch.setattr(run, "IsolatedReader", lambda settings, patience: row_reader.RowReader(settings))
    options = {"out": tmp_path / "rows.csv", "html": tmp_path / "page.html"}
    with pytest.raises(KeyboardInterrupt):
        predict_sources(str(folder), model_folder, PLAN, device="cpu", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "page.html").exists()
    predict_sources(str(folder), model_folder, PLAN, device="cpu", **options)  # type: ignore[arg-type]
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Videos that are not shown, 1:" in text and [item["name"] for item in Page(text).data["videos"]] == ["b"]


#: A decoder that aborts at one video of a folder and never comes back from another, as files of strangers can.
BAD_DECODER = """
import os, sys, time
from vidseq.video import reader

real = reader.VideoReader._decode

def decode(self, indices):
    if self.info.path.stem == "b":
        os.abort()
    if self.info.path.stem == "c":
        time.sleep(600)
    yield from real(self, indices)

reader.VideoReader._decode = decode

if __name__ == "__main__":
    from vidseq.cli import main
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--stream"], ["--save_video", "seen"]])
def test_an_abort_and_a_hang_cost_one_video_each(
    video: Path, model_folder: Path, tmp_path: Path, more: list[str]
) -> None:
    (tmp_path / "videos").mkdir()
    for name in "abcd":
        (tmp_path / "videos" / f"{name}.mp4").write_bytes(video.read_bytes())
    (tmp_path / "run.py").write_text(BAD_DECODER)
    words = ["predict", "videos", str(model_folder), "--out", "rows.csv", "--stall", "15", "--device", "cpu", *more]
    ended = subprocess.run(
        [sys.executable, "run.py", *words], cwd=tmp_path, capture_output=True, text=True, timeout=280
    )
    assert ended.returncode == 1, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("vidseq:")]
    assert lines == [
        f"vidseq: videos/b.mp4: its process ended with exit code {-signal.SIGABRT}",
        "vidseq: videos/c.mp4: it showed no progress for 15 s, so its process was ended",
    ]
    with (tmp_path / "rows.csv").open(newline="") as file:
        assert {row["video"] for row in csv.DictReader(file)} == {"a", "d"}
    if "seen" in more:
        assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == ["a.mp4", "d.mp4"]


@pytest.mark.parametrize("name", ["noise.mp4", "rows.jsonl", "PAGE"])
def test_a_page_takes_the_place_of_no_other_file(name: str, model_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("mine")
    with pytest.raises(UserError, match=r"--html expects a page, a file that ends in \.html, got .*" + name):
        rows_of(path, model_folder, html=path)
    assert path.read_text() == "mine"
    with pytest.raises(UserError, match=r"--html expects a page, got the folder .*Name a file in it"):
        rows_of(path, model_folder, html=tmp_path)


def test_no_copy_is_written_over_its_source(video: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(video.read_bytes())
    (tmp_path / "link.mp4").symlink_to(source)
    (tmp_path / "twin.mp4").hardlink_to(source)
    for name in ("a.mp4", "link.mp4", "twin.mp4"):
        with pytest.raises(UserError, match=r"expects a file of its own, got the source"):  # before a model is loaded
            rows_of(source, tmp_path / "no model", save_video=tmp_path / name)
    with pytest.raises(UserError, match=r"expects a file of its own, got the source '.*a\.mp4'"):
        rows_of(source, tmp_path / "no model", save_video=tmp_path)


@pytest.mark.parametrize("name", ["queries.jsonl", "videos.jsonl", "segments.csv"])
def test_rows_take_the_place_of_no_table(name: str, dataset_folder: Path, model_folder: Path) -> None:
    before = (dataset_folder / name).read_bytes()
    with pytest.raises(UserError, match=r"--out expects a file of its own, got .*which is of the data set there"):
        predict_sources(
            str(dataset_folder / "noise.mp4"), model_folder, PredictionRequest(), out=dataset_folder / name
        )
    assert (dataset_folder / name).read_bytes() == before


@pytest.mark.parametrize("option", ["stall", "reconnect"])
@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_seconds_that_are_none_are_refused(option: str, seconds: float, video: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"--{option} expects .*0 s.*, got {seconds:g}"):
        rows_of(video, tmp_path, **{f"{option}_seconds": seconds})


def test_rows_may_end_in_capital_letters(video: Path, model_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "ROWS.SRT"
    predict_sources(str(video), model_folder, PredictionRequest(limit_seconds=1), out=out)
    assert out.read_text().startswith("1\n00:00:00,000 --> ")


def test_queries_at_the_listed_end_of_a_shorter_file_are_asked(
    video: Path, model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "noise.mp4").write_bytes(video.read_bytes())
    queries = [Query(video="n", time=3.05, kind="question", question=QUESTION, answer="red")]
    videos = [Video(video="n", split="test", duration=3.05, path="noise.mp4")]
    write_dataset(tmp_path, DatasetInfo(name="noise"), videos, [], queries)
    rows = rows_of(tmp_path / "noise.mp4", model_folder, PredictionRequest(), data=tmp_path)
    assert [(row["time"], row["truth"]) for row in rows if row["kind"] == "question"] == [(3.05, "red")]


@pytest.mark.parametrize("text", ["", "  ", "\u200b", "red\x1b[31m?"])
def test_questions_without_words_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--question expects a text without control characters, got '"):
        PredictionRequest(questions=(text,))
    with pytest.raises(UserError, match=r"^--next-question expects a text without control characters, got '"):
        PredictionRequest(next_questions=(text,))


def test_questions_have_the_form_of_those_in_data_sets() -> None:
    assert PredictionRequest(questions=(" Which\n cafe\u0301? ",)).questions == ("Which caf\u00e9?",)
