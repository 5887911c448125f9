"""Answers are those of the library: all of the past, less of it, what decided, and the camera."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from app.client import Client, serving
from app.world import COLORS, FPS, QUESTION, jpeg, make_state, write_video, write_world
from color_backbone import ColorBackbone

from vidseq.app.answers import Asked, context_lengths
from vidseq.app.evidence import find_evidence
from vidseq.app.models import AppModel
from vidseq.app.pictures import from_jpeg
from vidseq.app.preparing import Preparer
from vidseq.app.state import AppState
from vidseq.app.videos import AppVideo
from vidseq.app.wanted import LeftError, run_while_wanted
from vidseq.data.schema import Query
from vidseq.data.visible import past_of
from vidseq.features.store import VideoFeatures
from vidseq.inference.stream import Stream


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> AppState:
    folder = tmp_path_factory.mktemp("asking")
    return make_state(folder / "kept", write_world(folder / "world"), limit_seconds=4.0)


@pytest.fixture(scope="module")
def client(state: AppState) -> Iterator[Client]:
    with serving(state) as port:
        client = Client(port)
        assert client.prepare("d0")["state"] == "ready"
        yield client


def reference(state: AppState, kind: str, question: str | None, time: float, frames: int | None) -> list[np.ndarray]:
    """What each model answers to the past that it may see, by the library's own way."""
    assert state.dataset is not None
    video, found = state.dataset.videos["d0"], []
    for model in state.models:
        features = video.features_for(model)
        past = past_of(features.features, features.pts_seconds, time, frames=frames)
        query = Query(video="first", time=time, kind=kind, question=question, answer="")
        found.append(model.predictor.predict(past.features, past.pts_seconds, [query])[0])
    return found


@pytest.mark.parametrize(
    ("kind", "question"), [("question", QUESTION), ("next_action", None), ("next_action", "what")]
)
def test_answers_are_those_of_the_library(client: Client, state: AppState, kind: str, question: str | None) -> None:
    asked = {"kind": kind, "text": question, "time": 4.6}
    status, replies = client.post("/api/videos/d0/answers", asked)
    assert status == 200 and [reply["model"] for reply in replies] == ["model0", "model1"]
    for reply, scores in zip(replies, reference(state, kind, question, 4.6, None)):
        assert reply["frames"] == 19 and reply["seconds"] == pytest.approx(4.6)
        expected = sorted(np.exp(scores), reverse=True)[:5]
        assert [value for _, value in reply["ranking"]] == pytest.approx(expected, abs=1e-3)


def test_the_slider_shows_less_and_less_of_the_past(client: Client, state: AppState) -> None:
    status, replies = client.post(
        "/api/videos/d0/contexts", {"kind": "question", "text": QUESTION, "time": 3.0, "models": ["model1"]}
    )
    assert status == 200 and [reply["model"] for reply in replies] == ["model1"]
    contexts = replies[0]["contexts"]
    assert [context["frames"] for context in contexts] == [1, 2, 4, 8, 13]
    for context in contexts:
        scores = reference(state, "question", QUESTION, 3.0, context["frames"])[1]
        assert context["ranking"][0][1] == pytest.approx(float(np.exp(scores.max())), abs=1e-3)


def test_the_lengths_double_up_to_all() -> None:
    assert context_lengths(1) == [1] and context_lengths(2) == [1, 2] and context_lengths(3) == [1, 2, 3]
    assert context_lengths(8) == [1, 2, 4, 8] and context_lengths(9) == [1, 2, 4, 8, 9]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"kind": "question", "text": " ", "time": 1}, "expects a question in words, got none"),
        ({"kind": "caption", "text": "a", "time": 1}, "expects question or next_action, got 'caption'"),
    ],
)
def test_each_model_says_what_it_cannot(client: Client, values: object, error: str) -> None:
    status, replies = client.post("/api/videos/d0/answers", values)
    assert status == 200 and all(error in reply["error"] for reply in replies)


def test_wrong_times_words_and_models_are_one_line(client: Client) -> None:
    asked = {"kind": "question", "text": "a", "time": 99}
    assert "time from 0 to 6.0 s, got 99" in client.post("/api/videos/d0/answers", asked)[1]["error"]
    asked = {"kind": "question", "text": "a" * 301, "time": 1}
    assert "at most 300 letters, got 301" in client.post("/api/videos/d0/answers", asked)[1]["error"]
    asked = {"kind": "question", "text": "a\0b", "time": 1}
    assert "without control characters" in client.post("/api/videos/d0/answers", asked)[1]["error"]
    asked = {"kind": "question", "text": "a", "time": 1, "models": ["other"]}
    assert client.post("/api/videos/d0/answers", asked)[0] == 404
    assert "expects JSON" in client.call("POST", "/api/videos/d0/answers", b"{")[1]["error"]
    assert "at most 10000 bytes" in client.call("POST", "/api/videos/d0/answers", b" " * 10_001)[1]["error"]


def test_words_that_a_model_does_not_know_are_named(client: Client) -> None:
    asked = {"kind": "question", "text": "Which elephant was first? Elephant!", "time": 1}
    assert client.post("/api/videos/d0/answers", asked)[1][0]["unknown_words"] == ["elephant"]


def test_a_video_that_is_not_read_yet_says_so(client: Client) -> None:
    asked = {"kind": "question", "text": "a", "time": 1}
    (reply, _) = client.post("/api/videos/d1/answers", asked)[1]
    assert "expects to be read before it is asked about" in reply["error"]


def test_the_evidence_has_a_tile_for_each_part_of_the_past(client: Client) -> None:
    asked = {"kind": "question", "text": QUESTION, "time": 4.6, "models": ["model0"]}
    status, (found,) = client.post("/api/videos/d0/evidence", asked)
    assert status == 200 and len(found["tiles"]) == 12
    assert found["tiles"][0]["start"] == 0 and found["tiles"][-1]["end"] == pytest.approx(4.6)
    for before, after in zip(found["tiles"], found["tiles"][1:]):
        assert before["end"] == after["start"] and before["start"] <= before["time"] < before["end"]


class PlantedPredictor:
    """Answers "yes" exactly if frames that show 1 are there."""

    model = SimpleNamespace(
        config=SimpleNamespace(causal=True),
        tasks={},
        find_task=lambda name: SimpleNamespace(answer_classes=("no", "yes"), asked_in_words=False),
        parameters=lambda: iter([torch.zeros(1)]),
    )

    def task_for(self, kind: str) -> str:
        return kind

    def project(self, features: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(features)

    def answer_clips(self, clips: Any) -> list[list[np.ndarray]]:
        return [[np.log([0.1, 0.9] if float(clip.x.sum()) > 0 else [0.8, 0.2])] for clip in clips]


def planted(frames: int, shown: slice) -> tuple[AppModel, AppVideo]:
    model = AppModel("planted", cast(Any, PlantedPredictor()))
    features = np.zeros((frames, 1), np.float32)
    features[shown] = 1
    video = AppVideo("d0", "planted", None, frames / FPS, frames / FPS)
    video.features[model.features_key] = VideoFeatures(features, np.arange(frames) / FPS)
    return model, video


def test_evidence_finds_planted_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AppModel, "asked", {"question": True})
    monkeypatch.setattr(AppModel, "fingerprint", None)
    model, video = planted(96, slice(40, 44))
    found = find_evidence(model, video, Asked("question", "a", 24.0), lambda: None)
    assert (found.answer, found.probability) == ("yes", pytest.approx(0.9)) and found.peak is not None
    start, end, loss = found.peak
    assert start <= 10 and end >= 11 and end - start <= 3 and loss == pytest.approx(0.7)
    best = max(found.tiles, key=lambda tile: tile.loss)
    assert 9.5 <= best.time <= 11 and best.loss == pytest.approx(0.7)
    assert all(tile.loss == pytest.approx(0) for tile in found.tiles if tile.end < 6 or tile.start > 16)


def test_evidence_ends_when_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AppModel, "asked", {"question": True})
    monkeypatch.setattr(AppModel, "fingerprint", None)
    model, video = planted(96, slice(0, 4))
    calls = iter(range(3))

    def check() -> None:
        if next(calls, None) is None:
            raise LeftError

    with pytest.raises(LeftError):
        find_evidence(model, video, Asked("question", "a", 24.0), check)


def test_work_ends_when_its_client_has_gone() -> None:
    import asyncio

    request = SimpleNamespace(is_disconnected=lambda: asyncio.sleep(0, result=True))
    waited = threading.Event()

    def work(check: Any) -> None:
        while True:
            check()
            waited.wait(0.01)

    with pytest.raises(LeftError):
        asyncio.run(run_while_wanted(cast(Any, request), work))


def test_reading_ends_when_nobody_asks_for_it(
    tmp_path: Path, state: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidseq.app.preparing.LEFT_AFTER_SECONDS", -1.0)
    video = AppVideo("u0", "long", write_video(tmp_path / "video.mp4"), 6.0, 6.0)
    preparer = Preparer(state.models, state.backbones, None)
    try:
        known = preparer.watch(video)
        while known.state not in ("left", "ready", "failed"):
            threading.Event().wait(0.01)
        assert known.state == "left" and not video.features
        monkeypatch.setattr("vidseq.app.preparing.LEFT_AFTER_SECONDS", 60.0)
        again = preparer.watch(video)
        while again.state not in ("left", "ready", "failed"):
            threading.Event().wait(0.01)
        assert again is not known and again.state == "ready" and video.timeline is not None
    finally:
        preparer.close()


def test_features_of_the_last_videos_are_kept(
    tmp_path: Path, state: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidseq.app.preparing.MAX_KEPT", 1)
    path = write_video(tmp_path / "video.mp4", 2.0)
    first, second = (AppVideo(f"u{index}", "short", path, 2.0, 2.0) for index in range(2))
    preparer = Preparer(state.models, state.backbones, None)
    try:
        for video in (first, second, first):
            while preparer.watch(video).state != "ready":
                threading.Event().wait(0.01)
        assert first.features and first.timeline and not second.features and second.timeline is None
    finally:
        preparer.close()


def test_only_the_first_seconds_are_read(client: Client, tmp_path: Path) -> None:
    facts = client.upload(write_video(tmp_path / "long.mp4").read_bytes())[1]
    assert facts["end"] == 4.0 and facts["duration"] == pytest.approx(6.0, abs=0.2)
    assert client.prepare(facts["id"])["total"] == 16
    assert client.get(f"/api/videos/{facts['id']}/timeline")["video"]["duration"] == 4.0


def test_a_camera_is_answered_as_a_stream(client: Client, state: AppState) -> None:
    asked = {"kind": "question", "text": QUESTION}
    assert client.post("/api/live/answers", asked)[0] == 409
    assert client.post("/api/live", None) == (201, {"rate": 4.0})
    assert "expects a frame before it is asked" in client.post("/api/live/answers", asked)[1][0]["error"]
    streams = [Stream(model.model, ColorBackbone()) for model in state.models]
    for index, color in enumerate(COLORS):
        status, said, _ = client.call("POST", f"/api/live/pictures?time={index}", jpeg(color))
        assert status == 200 and said["seconds"] == index
        assert [line["what"] for line in said["said"]["model0"]] == ["now", "next"]
        for stream in streams:
            stream.push(from_jpeg(jpeg(color))[None], [float(index)])
    for reply, stream in zip(client.post("/api/live/answers", asked)[1], streams):
        answer = stream.ask(QUESTION)
        assert reply["ranking"][0] == [answer.answer, pytest.approx(answer.probability, abs=1e-3)]
        assert reply["frames"] == stream.num_frames
    for time, content, part in (
        (1, jpeg(), "rise from frame to frame"),
        (5, jpeg(), "watched for 4 s at most"),
        (3, b"no picture", "expects a JPEG file"),
        (3, b"\0" * 4_000_001, "at most 4000000 bytes"),
    ):
        status, answer, _ = client.call("POST", f"/api/live/pictures?time={time}", content)
        assert status == 400 and part in answer["error"]
    assert client.call("DELETE", "/api/live")[0] == 204
    assert client.call("POST", "/api/live/pictures?time=9", jpeg())[0] == 409
