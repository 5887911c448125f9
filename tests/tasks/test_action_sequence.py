from pathlib import Path

import numpy as np
import pytest
import torch

from vidseq.checkpoint import load_model
from vidseq.data.action_sequences import write_future
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.inference.predictor import Predictor
from vidseq.tasks import ActionSequence
from vidseq.tasks.action_sequence import expected_frames, frames_of
from vidseq.training import TrainConfig, fit

LABELS = ("wave", "jump")


def ask(*future: tuple[str, float]) -> Query:
    return Query(video="v", time=0.0, kind="action_sequence", answer=write_future(future))


def test_the_loss_is_the_decoders_over_all_tokens() -> None:
    torch.manual_seed(0)
    task = ActionSequence(8, LABELS, {"most_actions": 2}, 0.0).eval().requires_grad_(False)
    queries = [ask(("wave", 1.0), ("jump", 2.0), ("wave", 1.0)), ask(("jump", 9.0))]
    targets, decoded = task.targets(queries), torch.randn(2, 8)
    assert [int((row != 0).sum()) for row in targets] == [4, 3]  # the first is cut, so it has no end
    expected = -task.decoder.log_prob(targets, decoded).sum() / 7
    torch.testing.assert_close(task.loss(decoded, targets), expected)
    assert task.right(decoded, targets, task.offered(queries)).shape == (2,)


def test_frames_to_come_by_hand() -> None:
    future = (("jump", 1.0), ("wave", 0.5))
    assert frames_of(future, LABELS, 5, 2.0).tolist() == [1, 1, 0, 0, 0]
    shares = expected_frames([future, (("wave", 9.0),), ()], LABELS, 3, 2.0)
    assert shares.tolist() == [[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]]
    with pytest.raises(UserError, match=r"expect a future with at least one action, got 1 without\."):
        expected_frames([()], LABELS, 3, 2.0)
    with pytest.raises(UserError, match=r"expect a future of at least one action, got none\."):
        frames_of((), LABELS, 3, 2.0)


def test_draws_are_the_seeds() -> None:
    torch.manual_seed(0)
    task = ActionSequence(8, LABELS, {}, 0.0).eval().requires_grad_(False)
    decoded = torch.randn(2, 8)
    first, again, other = (task.draw(decoded, 3, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert first == again != other
    assert [len(row) for row in first] == [3, 3]
    assert all(seconds > 0 for row in first for future in row for _, seconds in future)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "rnn"}, r"action_sequence task expects cell lstm or transformer, got 'rnn'\."),
        ({"most_actions": 0}, r"expects most_actions of at least 1, got 0\."),
        ({"bins": 2}, r"at least 3 bins"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ActionSequence(8, LABELS, options, 0.0)


def test_the_present_action_and_its_end_are_learnt(toy_world: tuple[Dataset, FeatureStore], tmp_path: Path) -> None:
    dataset, store = toy_world
    config = TrainConfig(
        **{"dim": 32, "epochs": 12, "batch_size": 4, "lr": 1e-2, "patience": None, "device": "cpu", "monitor": "loss"},
        full_context=1.0,
        tasks={"action_sequence": {"bins": 16, "longest_seconds": 10.0, "queries_per_video": 8}},
    )
    predictor = Predictor(load_model(fit(dataset, store, config, tmp_path / "run"), "cpu"))
    right, errors = [], []
    for video in dataset.split("test"):
        stored, time = store.read(video.video), 2.0  # half a second into the second action of 1.5 s
        (futures,) = predictor.futures(stored.features, stored.pts_seconds, [time], num_futures=9)
        now = next(item for item in dataset.segments_of(video.video) if item.start <= time < item.end)
        right += [future[0][0] == now.label for future in futures if future]
        errors.append(abs(float(np.median([future[0][1] for future in futures if future])) - (now.end - time)))
        shares = expected_frames(futures, LABELS, 4, 4.0)
        np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert np.mean(right) > 0.9
    assert np.median(errors) < 0.4
