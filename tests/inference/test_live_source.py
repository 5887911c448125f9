"""Live sources from end to end: rows are about the newest picture, gaps are marked, nothing is lost by a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_servers import MjpegHandler, RtspHandler, Scene, number_of, numbered, serving

from vidseq.checkpoint import save_model
from vidseq.cli import main
from vidseq.errors import UserError, VideoError
from vidseq.features.base import Backbone
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.registry import build_backbone
from vidseq.inference.latency import Latencies
from vidseq.inference.live_source import LiveRun, warm_up
from vidseq.inference.predictions import Prediction
from vidseq.inference.request import PredictionRequest
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.video.live import Gap, LivePicture, LiveReader, SourceLostError
from vidseq.video.newest import Clock, Counts
from vidseq.video.resizing import Size

FPS = 4


class SeesNumbers(Backbone):
    """Knows which pictures it was shown."""

    name, dim, batch_size, size = "toy", 6, 4, Size(32, "crop")

    def __init__(self, fingerprint: Fingerprint) -> None:
        self._fingerprint = fingerprint
        self.seen: list[int] = []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.seen += [number_of(image) for image in images]
        return np.zeros((len(images), self.dim), np.float32)

    def fingerprint(self, fps: Fraction | float | str, decoder: str = "auto") -> Fingerprint:
        return self._fingerprint


@pytest.fixture
def backbone(toy_model: VideoReasoner) -> SeesNumbers:
    assert toy_model.config.fingerprint is not None
    return SeesNumbers(toy_model.config.fingerprint)


class Pictures(LiveReader):
    """A reader that has given its pictures before anyone asks."""

    def __init__(self, pictures: Sequence[LivePicture], end: VideoError | None = None) -> None:
        self.name, self.clock, self.counts, self.end_reason = "'x'", Clock(), Counts(len(pictures)), "it is over"
        self.gaps = [picture.gap for picture in pictures if picture.gap is not None]
        self._pictures, self._end = pictures, end

    def sample(self, fps: float | Fraction, *, end: float = np.inf) -> Iterator[LivePicture]:
        yield from self._pictures
        if self._end is not None:
            raise self._end


def picture(number: int, seconds: float, gap: Gap | None = None, size: tuple[int, int] = (48, 64)) -> LivePicture:
    index = int(seconds * FPS + 1e-6)
    return LivePicture(
        image=numbered(number, *size), pts_seconds=seconds, index=index, gap=gap, arrived=time.monotonic() - 0.5
    )


def pictures_at(*seconds: float) -> list[LivePicture]:
    return [picture(number, time) for number, time in enumerate(seconds)]


def run(
    model: VideoReasoner,
    backbone: Backbone,
    pictures: Sequence[LivePicture],
    request: PredictionRequest | None = None,
    recording: Path | None = None,
    end: VideoError | None = None,
) -> LiveRun:
    return LiveRun(model, backbone, "x", Pictures(pictures, end), request or PredictionRequest(), recording)


def test_each_row_is_about_the_picture_of_its_time(toy_model: VideoReasoner, backbone: SeesNumbers) -> None:
    pictures = pictures_at(0, 0.26, 0.9, 1.02, 1.27, 3.5, 3.8, 4.1)
    request = PredictionRequest(questions=("what colour was it?", "and now?"), at=(0.5, 3.6))
    asked = []
    for row in run(toy_model, backbone, pictures, request):
        now = pictures[backbone.seen[-1]]
        assert row.time == now.pts_seconds
        asked.append((row.kind, row.time))
    times = {kind: [time for name, time in asked if name == kind] for kind in ("next_action", "frame_labels")}
    assert times["next_action"] == times["frame_labels"] == [1.02, 3.5, 4.1], "once for all that were due meanwhile"
    assert [time for kind, time in asked if kind == "question"] == [0.9, 3.8]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(1, 400), min_size=1, max_size=12), every=st.sampled_from([0.1, 0.7, 1.0, 3.0]))
def test_regular_queries_are_asked_once_an_interval_at_most(
    toy_model: VideoReasoner, backbone: SeesNumbers, steps: list[int], every: float
) -> None:
    times = np.cumsum([0, *steps]) / 100
    rows = run(toy_model, backbone, pictures_at(*times), PredictionRequest(every=every))
    asked = [row.time for row in rows if row.kind == "next_action"]
    wanted, due = [], every
    for moment in times:
        if due <= moment + 1e-6:
            wanted.append(moment)
            due = every * (np.floor((moment + 5e-4) / every) + 1)
    assert asked == pytest.approx(wanted)


def test_moments_without_a_picture_hold_the_one_before_but_not_over_a_gap(
    toy_model: VideoReasoner, backbone: SeesNumbers
) -> None:
    read: list[int] = []
    step = toy_model.step
    toy_model.step = lambda frames, state: (read.append(frames.shape[1]), step(frames, state))[1]  # type: ignore
    list(run(toy_model, backbone, pictures_at(0, 0.3, 50.1), PredictionRequest(every=100)))
    assert sum(read) == 50.1 * FPS // 1 + 1 and max(read) <= 64
    assert backbone.seen == [0, 1, 2], "a picture that is held goes through the CNN once"
    read.clear()
    backbone.seen.clear()
    after = picture(2, 50.1, gap=Gap(0.3, 50.1, "it was away"))
    rows = list(run(toy_model, backbone, [*pictures_at(0, 0.3), after], PredictionRequest(every=100)))
    assert sum(read) == 3
    gap = rows[0]
    assert (gap.kind, gap.time, gap.end, gap.answer) == ("gap", 0.3, 50.1, "no picture: it was away")


def test_what_is_asked_at_the_end_is_answered_when_a_source_is_lost(
    toy_model: VideoReasoner, backbone: SeesNumbers
) -> None:
    request = PredictionRequest(questions=("what colour was it?",))
    rows: list[Prediction] = []
    with pytest.raises(SourceLostError):
        for row in run(toy_model, backbone, pictures_at(0, 1.1), request, end=SourceLostError("gone")):
            rows.append(row)
    assert [(row.kind, row.time) for row in rows][-1] == ("question", 1.1)


def test_latency_is_counted_from_the_picture_to_the_row(toy_model: VideoReasoner, backbone: SeesNumbers) -> None:
    live = run(toy_model, backbone, [picture(0, 0), picture(1, 1, gap=Gap(0, 1, "it was silent"))])
    rows = list(live)
    assert len(live.latencies) == len(rows) - 1 == 2
    assert 0.5 <= live.latencies.quantile(0.5) <= live.latencies.longest < 30
    assert live.summary()[0] == "'x' ended: it is over."
    assert live.summary()[1].startswith(
        "2 pictures came in 1.0 s, and the model read 2, at most 4 a second. 0 were dr"
    )
    assert "2 answers, from picture to answer: median" in live.summary()[2]
    assert live.summary()[3] == "Gaps: 1, 1.0 s in all."


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 1.0]))
def test_quantiles_are_those_of_all_latencies(values: list[float], part: float) -> None:
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    exact = sorted(values)[int(np.ceil(part * len(values))) - 1]
    assert latencies.quantile(part) == pytest.approx(exact, rel=0.011)
    assert latencies.longest == max(values) and len(latencies) == len(values)
    assert Latencies().quantile(0.5) == 0


def frames_of(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_a_recording_keeps_true_time_and_shows_gaps(
    toy_model: VideoReasoner, backbone: SeesNumbers, tmp_path: Path
) -> None:
    size = (240, 320)
    pictures = [picture(30, 0, size=size), picture(30, 1.234, size=size)]
    pictures.append(picture(30, 60.5, gap=Gap(1.234, 60.5, "it was away"), size=size))
    list(run(toy_model, backbone, pictures, recording=tmp_path / "live.mp4"))
    frames = frames_of(tmp_path / "live.mp4")
    assert [time for time, _ in frames] == pytest.approx([0, 1.234, 1.484, 60.5], abs=1e-3)
    middles = [image[110:130, 20:100].mean() for _, image in frames]
    assert middles[0] == pytest.approx(8 + 6 * 30, abs=3) and middles[2] == pytest.approx(middles[0] / 3, abs=3)
    corner = [image[:60, 160:].astype(float) for _, image in frames]
    assert np.abs(corner[1] - corner[0]).max() > 50, "the next action is drawn as soon as it is known"
    assert [path.name for path in tmp_path.iterdir()] == ["live.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_recording_that_was_cut_off_plays_and_is_kept(
    toy_model: VideoReasoner, backbone: SeesNumbers, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"live{suffix}"
    rows = iter(run(toy_model, backbone, pictures_at(*np.arange(0, 20, 0.5)), recording=out))
    while next(rows).time < 10:
        pass
    copy = tmp_path / f"copy{suffix}"
    copy.write_bytes((tmp_path / f"live.part{suffix}").read_bytes())
    times = [time for time, _ in frames_of(copy)]
    assert times == pytest.approx(list(np.arange(0, 9.5, 0.5)), abs=1e-3), "all but the newest"
    list(run(toy_model, backbone, pictures_at(0, 1), recording=out))
    assert "a recording of a run that was stopped before is kept in" in capsys.readouterr().err
    assert len(frames_of(out)) == 2 and (tmp_path / f"live.part-1{suffix}").exists()


def test_a_recording_that_cannot_be_written_costs_no_rows(
    toy_model: VideoReasoner, backbone: SeesNumbers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    rows = list(run(toy_model, backbone, pictures_at(0, 1, 2), recording=tmp_path / "file" / "live.mp4"))
    assert len(rows) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vidseq: the recording ends: '") and "cannot be written" in line


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    backbone = build_backbone("mobilenet_v3_small", weights="random", engine="torch", input_size=32, device="cpu")
    config = ModelConfig(
        feature_dim=backbone.dim, dim=8, labels={"action": ("wait", "move")}, tasks={"next_action": {}}, fps="8",
        fingerprint=backbone.fingerprint("8"),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("model")
    model = VideoReasoner(config)
    save_model(model, folder)
    warm_up(model, backbone)
    return folder


def words_for(address: str, model: Path, out: Path) -> list[str]:
    return ["predict", "--source", address, "--model", str(model), "--every", "0.2", "--device", "cpu",
            "--out", str(out / "rows.jsonl"), "--save-video", str(out / "live.mp4")]  # fmt: skip


def test_the_command_writes_rows_and_a_recording_and_says_how_it_ended(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(MjpegHandler, [Scene(count=40), Scene(count=10)]) as (address, _):
        secret = address.replace("http://", "http://anna:secret@")
        assert main([*words_for(secret, model_folder, tmp_path), "--reconnect", "1.2"]) == 1
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    times = [row["time"] for row in rows if row["kind"] == "next_action"]
    assert len(times) >= 2 and times == sorted(set(times)) and {row["video"] for row in rows} == {address}
    assert [row["kind"] for row in rows].count("gap") >= 1
    assert times[-1] <= frames_of(tmp_path / "live.mp4")[-1][0] + 0.01
    text = capsys.readouterr().err
    assert "is back after a gap of" in text and "did not come back in 1.2 s" in text
    assert "answers, from picture to answer: median" in text and "Traceback" not in text
    assert "secret" not in text + (tmp_path / "rows.jsonl").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["live.mp4", "rows.jsonl"]


def test_a_limit_ends_the_command_well(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(MjpegHandler, [Scene(count=1000)]) as (address, _):
        assert main([*words_for(address, model_folder, tmp_path), "--limit", "1"]) == 0
    assert "ended: its limit of 1 s is reached." in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_stop_loses_nothing_of_a_live_source(model_folder: Path, tmp_path: Path, stop: signal.Signals) -> None:
    killed = stop == signal.SIGKILL
    part = tmp_path / "rows.jsonl.part"
    with serving(RtspHandler, [Scene(count=10000)]) as (address, _):
        words = [sys.executable, "-m", "vidseq.cli", *words_for(address, model_folder, tmp_path)]
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while not (part.exists() and part.read_bytes().count(b"\n") >= 10) and time.monotonic() < deadline:
            time.sleep(0.05)
        before = part.read_text().splitlines()
        os.kill(process.pid, stop)
        _, text = process.communicate(timeout=60)
    assert process.returncode == (-stop if killed else 130)
    rows = (part if killed else tmp_path / "rows.jsonl").read_text().splitlines()
    assert rows[: len(before)] == before and all(json.loads(row) for row in rows)
    frames = frames_of(tmp_path / ("live.part.mp4" if killed else "live.mp4"))
    assert frames[-1][0] >= json.loads(before[-2])["time"] - 0.01
    if not killed:
        assert "rows so far are in" in text and "from picture to answer: median" in text


def test_a_folder_cannot_hold_the_recording_of_a_live_source(model_folder: Path, tmp_path: Path) -> None:
    from vidseq.inference.run import predict_sources

    with pytest.raises(UserError, match=r"--save-video expects a file name for a live source, got the folder"):
        predict_sources("0", model_folder, PredictionRequest(), save_video=tmp_path)
