import numpy as np
import pytest
import torch

from vidseq.clip_reader import QueryBatch, read_clips, read_projected
from vidseq.heads import HEADS
from vidseq.model import ModelConfig, VideoReasoner


@pytest.mark.parametrize("head", sorted(HEADS))
def test_reading_is_asking_each_query_on_its_own_prefix(head: str, toy_config: ModelConfig) -> None:
    torch.manual_seed(0)
    model = VideoReasoner(ModelConfig(**{**vars(toy_config), "head": head})).eval().double()
    features = torch.randn(3, 20, 6, dtype=torch.float64)
    mask = torch.arange(20) < torch.tensor([[20], [11], [1]])
    features[~mask] = float("nan")
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, size=14)
    frames = [int(rng.integers(0, n + 1)) for n in np.array([20, 11, 1])[rows]]
    asked = {
        "question": QueryBatch(rows[:10], frames[:10], torch.randint(1, 6, (10, 4))),
        "next_action": QueryBatch(rows[10:], frames[10:], torch.zeros(4, 1, dtype=torch.long)),
    }
    reading = read_clips(model, features, mask, asked, whole=True)
    for task, queries in asked.items():
        for number, (row, seen) in enumerate(zip(queries.rows, queries.frames)):
            _, state = model.step(features[[row], :seen], model.init_state(1))
            alone = model.ask(queries.tokens[None, [number]], state, task)[0, 0]
            torch.testing.assert_close(reading.logits[task][number], alone, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(reading.y, model(features, mask), atol=1e-9, rtol=1e-9)


def test_gradients_are_those_of_asking_one_at_a_time(toy_model: VideoReasoner) -> None:
    model = toy_model.double()
    features = torch.randn(2, 12, 6, dtype=torch.float64)
    tokens = torch.randint(1, 6, (3, 4))
    rows, frames = [0, 0, 1], [3, 12, 7]
    asked = {"question": QueryBatch(rows, frames, tokens)}
    mask = torch.ones(2, 12, dtype=torch.bool)
    read_clips(model, features, mask, asked).logits["question"].square().sum().backward()
    together = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    for row, seen, text in zip(rows, frames, tokens):
        _, state = model.step(features[[row], :seen], model.init_state(1))
        model.ask(text[None, None], state, "question").square().sum().backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(together[name], parameter.grad, atol=1e-9, rtol=1e-9)


def test_a_clip_without_queries_or_frames_is_no_trouble(toy_model: VideoReasoner) -> None:
    features = torch.randn(2, 0, 6)
    mask = torch.ones(2, 0, dtype=torch.bool)
    tokens = torch.ones(2, 1, dtype=torch.long)
    reading = read_clips(toy_model, features, mask, {"question": QueryBatch([0, 1], [0, 0], tokens)})
    torch.testing.assert_close(reading.logits["question"], toy_model.blind(tokens[:, None], "question")[:, 0])
    assert read_clips(toy_model, features, mask, {}).logits == {}


@pytest.mark.parametrize("together", [True, False])
def test_projected_clips_give_the_same(toy_config: ModelConfig, together: bool) -> None:
    torch.manual_seed(0)
    model = VideoReasoner(toy_config).eval()
    features, mask = torch.randn(3, 20, 6), torch.arange(20) < torch.tensor([20, 7, 13])[:, None]
    stops = [4, 4, 4, 7] if together else [20, 3, 5, 12]
    asked = {"question": QueryBatch([0, 1, 2, 0], stops, torch.ones(4, 2, dtype=torch.long))}
    with torch.no_grad():
        whole = read_clips(model, features, mask, asked).logits["question"]
        projected = read_projected(model, model.project(features, mask), mask, asked)["question"]
    torch.testing.assert_close(projected, whole)


def test_states_of_all_rows_in_order_are_no_copy(toy_model: VideoReasoner) -> None:
    _, state = toy_model.step(torch.randn(3, 4, 6), toy_model.init_state(3))
    assert state.rows(torch.arange(3)) is state
    for numbers in ([0, 1], [2, 1, 0], [0, 1, 2, 2]):
        some = state.rows(torch.tensor(numbers))
        assert torch.equal(some.present, state.present[numbers])
        assert all(torch.equal(part, whole[numbers]) for part, whole in zip(some.memory, state.memory))
