"""The retro head with a database of other videos."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from references_retro import retro
from torch import Tensor

from vidseq.checkpoint import load_model
from vidseq.errors import FingerprintError, UserError
from vidseq.evaluation.models import evaluate_models
from vidseq.heads import make_head
from vidseq.heads.retro import Retro
from vidseq.inference.offline import predict_video
from vidseq.inference.request import PredictionRequest
from vidseq.inference.stream import Stream
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.retrieval import build_database
from vidseq.training import TrainConfig, fit

DIM = 8


@pytest.fixture(scope="module")
def world(toy_world, tmp_path_factory: pytest.TempPathFactory):
    """The toy world's data set and features, and a database of its training videos in chunks of 3."""
    folder = tmp_path_factory.mktemp("databases") / "db"
    build_database(*toy_world, folder, chunk=3)
    return *toy_world, folder


def project(features: Tensor) -> Tensor:
    weight = torch.randn(features.shape[-1], DIM, generator=torch.Generator().manual_seed(5))
    return features @ weight.to(features)


def make(database: Path, **options: object) -> Retro:
    torch.manual_seed(0)
    small = {"heads": 2, "window": 4, "chunk": 3, "neighbours": 2, "database": str(database)}
    head = make_head("retro", DIM, small | options).double().eval()
    assert isinstance(head, Retro)
    head.prepare(project, None)
    return head


def others(world, without: str = "") -> list[Tensor]:
    dataset, store, _ = world
    names = [video.video for video in dataset.split("train") if video.video != without]
    return [project(torch.from_numpy(store.read(name).features.astype(np.float64))) for name in names]


@pytest.mark.parametrize("search", ["exact", "faiss"])
def test_equals_the_equations_frame_by_frame(world, search: str) -> None:
    head, x = make(world[2], search=search), torch.randn(2, 20, DIM, dtype=torch.float64)
    expected = torch.stack([retro(head, video, others(world)) for video in x])
    torch.testing.assert_close(head(x), expected, rtol=1e-10, atol=1e-10)


def test_an_approximate_search_streams_as_exactly(world) -> None:
    head, x = make(world[2], search="faiss_ivf"), torch.randn(1, 20, DIM, dtype=torch.float64)
    state, y = head.init_state(1), []
    for part in x.split(7, dim=1):
        read, state = head.step(part, state)
        y.append(read)
    torch.testing.assert_close(torch.cat(y, dim=1), head(x), rtol=1e-10, atol=1e-10)
    assert state.found.all()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(takes=st.lists(st.tuples(*[st.integers(0, 5)] * 2), min_size=1, max_size=6))
def test_streams_that_are_out_of_step_give_the_same(world, takes: list[tuple[int, int]]) -> None:
    head, x = make(world[2]).requires_grad_(False), torch.randn(2, 30, DIM, dtype=torch.float64)
    whole, state, done = head(x), head.init_state(2), [0, 0]
    for take in takes:
        mask = torch.arange(5) < torch.tensor(take)[:, None]
        new = torch.stack([padded(x[row, done[row] : done[row] + take[row]]) for row in range(2)])
        y, state = head.step(new, state, mask)
        for row in range(2):
            torch.testing.assert_close(
                y[row, : take[row]], whole[row, done[row] : done[row] + take[row]], rtol=1e-10, atol=1e-10
            )
        done = [start + count for start, count in zip(done, take)]
        assert state.frames.shape[1] == max(count % 3 for count in done)
        if done[0] == done[1]:
            assert head.state_bytes(2, done[0]) == sum(part.untyped_storage().nbytes() for part in state)


def padded(frames: Tensor) -> Tensor:
    return torch.cat([frames, torch.full((5 - len(frames), DIM), torch.nan, dtype=frames.dtype)])


def test_nothing_before_a_change_moves_and_context_frames_is_what_it_reaches(world) -> None:
    head, x = make(world[2]), torch.randn(1, 40, DIM, dtype=torch.float64)
    changed = torch.where(torch.eye(40, dtype=torch.bool)[..., None], -3 * x, x)
    moved = ((head(changed) - head(x)).abs() > 1e-12).any(-1)  # (changed frame, output)
    assert not moved.tril(-1).any()
    changed_frame, output = moved.nonzero().T
    assert int((output - changed_frame).max()) == head.context_frames - 1


def test_a_video_is_never_retrieved_for_itself(world) -> None:
    dataset, store, folder = world
    head, name = make(folder, neighbours=1), dataset.split("train")[0].video
    x = project(torch.from_numpy(store.read(name).features.astype(np.float64)))[None]
    state = head.init_state(1)
    for named, videos in ((state, others(world)), (head.name_videos(state, [name]), others(world, without=name))):
        torch.testing.assert_close(head.step(x, named)[0][0], retro(head, x[0], videos), rtol=1e-10, atol=1e-10)
    assert head.name_videos(state, ["unheard of"]).group.tolist() == [-1]


def test_the_model_embeds_by_its_own_projection_and_refuses_other_features(world) -> None:
    store, options = world[1], {"heads": 2, "chunk": 3, "database": str(world[2])}
    config = ModelConfig(feature_dim=store.dim, labels={"action": ("a", "b")}, tasks={"frame_labels": {}}, dim=DIM,
                         head="retro", head_options=options, fingerprint=store.fingerprint)  # fmt: skip
    model = VideoReasoner(config).train()
    features = torch.randn(1, 9, store.dim)
    with pytest.raises(UserError, match=r"expects it to be embedded before it reads, got frames first\. Call prepare"):
        model(features)
    model.prepare()
    assert model.projection.training and not any("frames" in name for name in model.state_dict())
    raw = torch.from_numpy(np.array(model.head.database.database.frames, dtype=np.float32))
    torch.testing.assert_close(model.head.database.frames, model.eval().projection(raw).x)
    other = dataclasses.replace(store.fingerprint, backbone="another")
    with pytest.raises(FingerprintError, match=r"db: Features expect backbone 'another', got 'toy'"):
        VideoReasoner(dataclasses.replace(config, fingerprint=other)).prepare()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk": 4}, r"expects chunks of 3 frames as it was built with, got 4\. Use chunk 3, or build another\."),
        ({"search": "exakt"}, r"Unknown search 'exakt'\. Did you mean 'exact'\?"),
    ],
)
def test_options_that_do_not_fit(world, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(world[2], **options)
    with pytest.raises(FileNotFoundError, match="Build one with `vidseq database build`"):
        make(world[2] / "nowhere")


@pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")
def test_trained_saved_loaded_and_evaluated(world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In training, every clip names its video."""
    dataset, store, folder = world
    named: list[list[int]] = []
    name_videos = Retro.name_videos

    def noted(head: Retro, state, videos):
        new = name_videos(head, state, videos)
        named.append(new.group.tolist())
        return new

    monkeypatch.setattr(Retro, "name_videos", noted)
    options = {"heads": 2, "chunk": 3, "neighbours": 1, "layers": 1, "database": str(folder)}
    config = TrainConfig(head="retro", head_options=options, dim=DIM, epochs=1, batch_size=24, device="cpu")
    run = fit(dataset, store, config, tmp_path / "run")
    learning, later = named[:2], named[2:]
    assert {group for groups in learning for group in groups} == {*range(48)}
    after = {group for groups in later for group in groups}  # the last report reads training videos once more
    assert -1 in after and after <= {-1, *range(48)}
    assert load_model(run, "cpu").head.database.frames.shape == (48 * 24, DIM)
    assert "| run | retro |" in evaluate_models(dataset.folder, [run])
    model, name = load_model(run, "cpu"), dataset.split("train")[3].video
    named.clear()
    Stream(model, video=name)
    predict_video(model, name, store.read(name), 6.0, PredictionRequest())
    Stream(model)
    assert named[0] == [3] and named[-1] == [-1] and {*map(tuple, named[1:-1])} == {(3,)}
