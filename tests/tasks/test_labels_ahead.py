from pathlib import Path

import numpy as np
import pytest
import torch

from vidseq.checkpoint import load_model
from vidseq.data.action_sequences import future_of, write_future
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.inference.predictor import Predictor
from vidseq.tasks import LabelsAhead
from vidseq.training import TrainConfig, fit

LABELS = ("wave", "jump", "sit")


def ask(*future: tuple[str, float]) -> Query:
    return Query(video="v", time=0.0, kind="action_sequence", answer=write_future(future))


def test_targets_lie_denser_the_sooner_they_come() -> None:
    task = LabelsAhead(8, LABELS, {"points": 4}, 0.0)
    np.testing.assert_allclose(task.points.numpy(), [1 / 64, 9 / 64, 25 / 64, 49 / 64])
    queries = [
        ask(("jump", 1.0), ("wave", 1.5), ("sit", 7.5)),
        ask(("sit", 3.0)),
    ]  # points at 0.16, 1.4, 3.9 and 7.7 s
    assert task.targets(queries).tolist() == [[1, 0, 2, 2], [2, 2, 2, 2]]


def test_the_loss_is_the_cross_entropy_at_the_points() -> None:
    torch.manual_seed(0)
    task = LabelsAhead(8, LABELS, {"points": 6}, 0.0).eval().requires_grad_(False)
    queries = [ask(("jump", 1.0), ("wave", 2.0)), ask(("sit", 9.0))]
    targets, decoded = task.targets(queries), torch.randn(2, 8)
    log_probs = task.logits(decoded, task.points).log_softmax(dim=-1)
    expected = -np.mean([log_probs[n, p, targets[n, p]].item() for n in range(2) for p in range(6)])
    assert task.loss(decoded, targets).item() == pytest.approx(expected, rel=1e-5)
    named = log_probs.argmax(dim=-1)
    assert task.right(decoded, named, task.offered(queries)).tolist() == [True, True]
    assert task.right(decoded, (named + 1) % 3, task.offered(queries)).tolist() == [False, False]


def test_each_moment_is_told_alone() -> None:
    torch.manual_seed(0)
    task = LabelsAhead(8, LABELS, {}, 0.0).eval().requires_grad_(False)
    decoded, shares = torch.randn(2, 8), torch.tensor([0.0, 0.3, 1.0])
    together = task.logits(decoded, shares)
    assert together.shape == (2, 3, 3)
    torch.testing.assert_close(together[:, 1:2], task.logits(decoded, shares[1:2]))
    assert not torch.allclose(together[:, 0], together[:, 2])


@pytest.mark.parametrize("option", ["points", "queries_per_video"])
def test_wrong_options_are_refused(option: str) -> None:
    with pytest.raises(UserError, match=rf"labels_ahead task expects {option} of at least 1, got 0\."):
        LabelsAhead(8, LABELS, {option: 0}, 0.0)


def test_what_comes_when_is_learnt(toy_world: tuple[Dataset, FeatureStore], tmp_path: Path) -> None:
    """Each of two actions comes twice, for 1.5 s: three of them tell the present one and the last."""
    dataset, store = toy_world
    config = TrainConfig(
        **{"dim": 32, "epochs": 20, "batch_size": 4, "lr": 1e-2, "patience": None, "device": "cpu"},
        full_context=1.0,
        tasks={"labels_ahead": {"queries_per_video": 8}},
    )
    predictor = Predictor(load_model(fit(dataset, store, config, tmp_path / "run"), "cpu"))
    classes, task = predictor.classes("labels_ahead"), predictor.model.find_task("labels_ahead")
    assert isinstance(task, LabelsAhead)
    shares, right, there = np.array([0.1, 0.8]), [], []
    for video in dataset.split("test"):
        stored, times = store.read(video.video), [3.9, 4.1]
        decoded = predictor.decoded(task.name, stored.features, stored.pts_seconds, times, video.video)
        told = task.forecast(decoded, shares)
        assert told.shape == (2, 2, len(classes))
        np.testing.assert_allclose(told.sum(axis=-1), 1, rtol=1e-4)
        for time, named in zip(times, told.argmax(axis=-1)):
            future = future_of(dataset.segments_of(video.video), time)
            ends = np.cumsum([seconds for _, seconds in future])
            there += [future[int(np.searchsorted(ends, share * ends[-1]))][0] for share in shares]
            right += [classes[number] for number in named]
    assert np.mean(np.array(right) == np.array(there)) > 0.8
