"""Two tasks that the library has never seen: each one class, registered by one line, then used for everything."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch import Tensor, nn

from vidseq.checkpoint import load_model
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.data.visible import past_of
from vidseq.evaluation.models import evaluate_models
from vidseq.evaluation.rows import read_rows
from vidseq.explain.find import find_important_past
from vidseq.explain.run import explain_prediction
from vidseq.features.base import Backbone
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore
from vidseq.inference.live import stream_video
from vidseq.inference.offline import predict_video
from vidseq.inference.predictor import Predictor
from vidseq.inference.request import PredictionRequest
from vidseq.model import VideoReasoner
from vidseq.tasks import TASKS, ClassTask, DenseTask, Prediction
from vidseq.tasks.base import cross_entropy
from vidseq.training import TrainConfig, fit
from vidseq.video.resizing import Size

pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")

World = tuple[Dataset, FeatureStore]
COUNTS = tuple("01234")
#: When a test video ends, after its last frame and before the next would come.
END = 5.9


class ActionsSoFar(ClassTask):
    """How many actions have begun, asked in the middle of each."""

    name = query_kind = "actions_so_far"
    label_kind = "count"
    needs = "segments"

    @classmethod
    def fits(cls, dataset: Dataset) -> bool:
        return bool(dataset.segments)

    @classmethod
    def find_labels(cls, dataset: Dataset, train: object, options: Mapping[str, object]) -> tuple[str, ...]:
        return COUNTS

    def derive_queries(self, dataset: Dataset, video: str) -> list[Query]:
        return [
            Query(video=video, time=(item.start + item.end) / 2, kind=self.query_kind, answer=str(count))
            for count, item in enumerate(dataset.segments_of(video), start=1)
        ]


class CountAtFrame(DenseTask):
    """The same for every frame."""

    name = query_kind = "count_at_frame"
    label_kind = "count"
    needs = "segments"

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.decoder = nn.Linear(dim, len(self.labels))

    @classmethod
    def fits(cls, dataset: Dataset) -> bool:
        return bool(dataset.segments)

    @classmethod
    def find_labels(cls, dataset: Dataset, train: object, options: Mapping[str, object]) -> tuple[str, ...]:
        return COUNTS

    def targets(self, dataset: Dataset, video: str, pts_seconds: np.ndarray, labels: Sequence[str]) -> Tensor:
        starts = [item.start for item in dataset.segments_of(video)]
        counts = np.searchsorted(starts, pts_seconds + 1e-6, side="right")
        return Tensor([labels.index(str(count)) for count in counts]).long()

    def decode(self, y: Tensor) -> Tensor:
        return self.decoder(y)

    def loss(self, logits: Tensor, targets: Tensor, mask: Tensor, /) -> Tensor:
        return cross_entropy(logits[mask], targets[mask])


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    """What `vidseq.tasks` does, in one line; undone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for task in (ActionsSoFar, CountAtFrame):
            patch.setitem(TASKS, task.name, task)
        yield


@pytest.fixture(scope="module")
def trained(registered: None, toy_world: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Trains a model for one task, once."""
    runs: dict[str, Path] = {}

    def train(task: str) -> Path:
        if task not in runs:
            config = TrainConfig(
                **{"dim": 32, "epochs": 15, "batch_size": 4, "lr": 1e-2, "patience": None, "device": "cpu"},
                full_context=1.0,
                tasks={task: {}},
            )
            runs[task] = fit(*toy_world, config, tmp_path_factory.mktemp("runs") / task)
        return runs[task]

    return train


class PixelBackbone(Backbone):
    """Reads six features off the first pixels of an image, which `images_of` wrote there."""

    name, dim, batch_size = "toy", 6, 4
    size = Size(32, "crop")

    def __init__(self, fingerprint: Fingerprint) -> None:
        self._fingerprint = fingerprint

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1)[:, :6].astype(np.float32) / 64 - 1

    def fingerprint(self, fps: object, decoder: str = "auto") -> Fingerprint:
        return self._fingerprint


def images_of(features: np.ndarray) -> np.ndarray:
    images = np.zeros((len(features), 32, 32, 3), np.uint8)
    images.reshape(len(features), -1)[:, :6] = np.rint((features + 1) * 64).clip(0, 255)
    return images


def predicted(model: VideoReasoner, store: FeatureStore, request: PredictionRequest) -> list[list[Prediction]]:
    """The rows of a test video, offline and live."""
    assert model.config.fingerprint is not None
    backbone, stored = PixelBackbone(model.config.fingerprint), store.read("test00")
    images = images_of(stored.features)
    shown = type(stored)(backbone(images).astype(np.float16), stored.pts_seconds)
    frames = zip(images, stored.pts_seconds.tolist())
    offline = predict_video(model, "test00", shown, END, request)
    return [offline, list(stream_video(model, backbone, "test00", frames, request, END))]


def test_an_asked_task_is_one_class(toy_world: World, trained: Callable[[str], Path], tmp_path: Path) -> None:
    dataset, store = toy_world
    run = trained("actions_so_far")
    assert float(pd.read_csv(run / "metrics.csv")["val_actions_so_far_accuracy"].max()) > 0.9
    model = load_model(run, "cpu", fingerprint=store.fingerprint)
    assert model.config.labels["count"] == COUNTS

    text = evaluate_models(dataset.folder, [run], contexts="1f,1s,full", controls=["all"], out=tmp_path / "scores")
    rows = read_rows(tmp_path / "scores" / "rows.parquet")
    assert set(rows["kind"]) == {"actions_so_far"} and len(rows[rows["control"] == "majority"]) == 48
    own = rows[rows["control"] == ""].groupby("context")["correct"].mean()
    assert own["full"] > 0.9 > 0.7 > own["1f"]
    assert "| actions_so_far, majority " in text

    offline, live = predicted(model, store, PredictionRequest(every=1.0))
    assert [row.time for row in offline] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [(row.time, row.kind, row.answer) for row in live] == [(row.time, row.kind, row.answer) for row in offline]
    np.testing.assert_allclose([row.probability for row in live], [row.probability for row in offline], atol=1e-4)

    query = next(query for query in model.task_of(ActionsSoFar).derive_queries(dataset, "test00") if query.time > 4)
    words = explain_prediction(dataset.folder, run, "test00", query.time, tmp_path / "why", max_blocks=4)
    assert words.startswith(f"The model says '{query.answer}'") and "suffice" in words


def test_a_dense_task_is_one_class(toy_world: World, trained: Callable[[str], Path], tmp_path: Path) -> None:
    dataset, store = toy_world
    run = trained("count_at_frame")
    assert float(pd.read_csv(run / "metrics.csv")["val_count_at_frame_accuracy"].max()) > 0.8
    model = load_model(run, "cpu", fingerprint=store.fingerprint)

    text = evaluate_models(dataset.folder, [run], out=tmp_path / "scores")
    table = pd.read_csv(tmp_path / "scores" / "count_at_frame.csv")
    assert (table.groupby("decoding")["video"].nunique() == 12).all() and len(table) == 36
    assert table[table["decoding"] == "frame by frame"]["accuracy"].mean() > 0.8
    assert f"| {run.name} | lstm | frame by frame " in text

    request = PredictionRequest(every=1.0)
    offline, live = predicted(model, store, request)
    assert (offline[0].time, offline[-1].end) == (0.0, END)
    assert [row.answer for row in offline] == sorted({row.answer for row in offline})  # counts only rise
    assert [row.time for row in live] == [1.0, 2.0, 3.0, 4.0, 5.0]
    for row in live:
        (segment,) = [item for item in offline if item.end is not None and item.time <= row.time < item.end]
        assert row.answer == segment.answer

    task, predictor, stored = model.dense_task(), Predictor(model), store.read("test00")
    query = Query(video="test00", time=5.0, kind=task.query_kind, answer="4")
    past = past_of(stored.features, stored.pts_seconds, query.time)
    found = find_important_past(predictor, predictor.classes(task.name), past, query, max_blocks=4)
    assert found.prediction == "4" and found.sufficient.any()


def test_a_model_may_have_both_and_a_known_task(toy_world: World, tmp_path: Path) -> None:
    dataset, store = toy_world
    tasks = {"frame_labels": {}, "count_at_frame": {}, "actions_so_far": {}, "question": {}}
    config = TrainConfig(dim=8, epochs=1, device="cpu", tasks=tasks)
    run = fit(dataset, store, config, tmp_path / "run")
    assert {f"val_{task}_loss" for task in tasks} <= set(pd.read_csv(run / "metrics.csv"))
    text = evaluate_models(dataset.folder, [run], out=tmp_path / "scores")
    assert {"frame_labels.csv", "count_at_frame.csv"} <= {path.name for path in (tmp_path / "scores").iterdir()}
    assert text.index("frame_labels:\n") < text.index("count_at_frame:\n")
    offline, live = predicted(load_model(run, "cpu"), store, PredictionRequest(questions=("What colour was it?",)))
    assert {row.kind for row in offline} == {row.kind for row in live} == set(tasks)
