"""The contract of every head. A new head is tested here as soon as it is in HEADS."""

import copy
import inspect
import re
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from vidseq.device import computes_bfloat16
from vidseq.heads import HEADS, TemporalHead, base, make_head, num_parameters
from vidseq.ops.places import PlacedQueries, Places

Results = tuple[Tensor, Tensor]
DIM, FRAMES = 8, 23
SMALL: dict[str, dict[str, object]] = {  # small, and with two layers wherever depth could go wrong
    "associative": {"layers": 2, "heads": 2},
    "attention": {"layers": 2, "heads": 2},
    "big_bird": {"layers": 2, "block": 3, "random": 2, "capacity": 3, "num_global": 3, "heads": 2},
    "codebook": {"layers": 2, "codes": 5, "readers": 2},
    "compressive": {"layers": 2, "heads": 2, "block": 4, "memory": 4, "compressed": 4, "rate": 2},
    "conv": {"layers": 3, "channels": 6},
    "conv_encoder": {"layers": 2, "kernel_size": 3, "channels": 6},
    "dilated": {"layers": 2, "window": 3, "heads": 2},
    "entity": {"layers": 2, "slots": 3},
    "gru": {"layers": 2},
    "hyper": {"layers": 2, "units": 4, "embedding": 2},
    "linformer": {"layers": 2, "heads": 2, "block": 4, "rows": 2, "rank": 6, "places": 16},
    "longformer": {"layers": 2, "window": 4, "num_global": 3, "heads": 2},
    "lstm": {"layers": 2},
    "memorizing": {"layers": 2, "memory_layer": 1, "window": 4, "memory": 6, "neighbours": 6, "heads": 2},
    "memory": {"layers": 2, "slots": 5, "readers": 2, "write_bias": 0.0},
    "memory_network": {"hops": 2, "waves": 2},
    "min_gru": {"layers": 2},
    "ms_tcn": {"stages": 2, "layers": 2, "channels": 6, "labels": 4},
    "performer": {"layers": 2, "heads": 2, "features": 10},
    "reformer": {"layers": 2, "heads": 2, "buckets": 4, "rounds": 2, "window": 12},
    "retro": {"layers": 2, "chunk": 3, "neighbours": 8, "window": 4, "heads": 2},
    "rnn": {"layers": 2},
    "ssm": {"layers": 2, "states": 3},
    "transformer_xl": {"layers": 2, "heads": 2, "memory": 5},
    "window": {"layers": 2, "window": 4, "heads": 2},
}
NO_GRADIENT_TO_THE_PAST = {"memorizing"}  # by their papers; what reaches them is measured by change
IN_PARTS = [
    "big_bird",
    "linformer",
    "longformer",
    "reformer",
    "window",
]  # whose form that is not causal works part by part
TIGHT = {"rtol": 1e-10, "atol": 1e-10}

every_head = pytest.mark.parametrize("name", sorted(HEADS))
one_pass = pytest.mark.parametrize("name", sorted(name for name in HEADS if HEADS[name].asks_in_one_pass))
noncausal_head = pytest.mark.parametrize("name", sorted(name for name in HEADS if HEADS[name].supports_noncausal))


def make(name: str, causal: bool = True, dtype: torch.dtype = torch.float64, **more: object) -> TemporalHead:
    torch.manual_seed(0)
    return make_head(name, DIM, SMALL.get(name, {}) | more, causal).to(dtype).eval()


def frames(batch: int = 2, num_frames: int = FRAMES, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(batch, num_frames, DIM, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def mask_of(*lengths: int, num_frames: int = FRAMES) -> Tensor:
    return torch.arange(num_frames) < torch.tensor(lengths)[:, None]


def stepped(head: TemporalHead, x: Tensor, chunks: list[int], mask: Tensor | None = None) -> Tensor:
    state, y, start = head.init_state(x.shape[0]), [], 0
    for size in chunks:
        part = slice(start, start + size)
        out, state = head.step(x[:, part], state, None if mask is None else mask[:, part])
        y.append(out)
        start += size
    assert start == x.shape[1]
    return torch.cat(y, dim=1)


def equal_states(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def padded_like(old: Tensor, new: Tensor) -> Tensor:
    """A state that grew for another row's sake has room for more, and nothing in it."""
    return F.pad(old, [side for a, b in zip(old.shape[::-1], new.shape[::-1]) for side in (0, b - a)])


CHUNKINGS = [[1] * FRAMES, [2] * (FRAMES // 2) + [1], [5, 1, 9, 0, 2, 6], [FRAMES]]


@every_head
@pytest.mark.parametrize("chunks", CHUNKINGS, ids=["ones", "twos", "uneven", "whole"])
def test_stepping_equals_forward_in_outputs_and_gradients(name: str, chunks: list[int]) -> None:
    head, weight = make(name), frames(seed=2)
    results = []
    for run in (head, lambda x, mask: stepped(head, x, chunks, mask)):
        x = frames().requires_grad_()
        y = run(x, mask_of(FRAMES, 11))
        head.zero_grad()
        (y * weight).sum().backward()
        results.append([y, x.grad, *(p.grad.clone() for p in head.parameters() if p.grad is not None)])
    for offline, live in zip(*results, strict=True):
        torch.testing.assert_close(live, offline, **TIGHT)


@every_head
def test_streams_are_exact_where_declared(name: str) -> None:
    head, x = make(name), frames()
    exact = torch.allclose(stepped(head, x, CHUNKINGS[2]), head(x), rtol=1e-10, atol=1e-10)
    assert exact == head.streams_exactly


@every_head
def test_the_docstring_has_a_drawing_a_source_and_the_differences(name: str) -> None:
    docstring = inspect.getdoc(HEADS[name]) or ""
    source = docstring.partition("Source: ")[2]
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|, (19|20)\d\d\b", source), "a paper"
    assert re.search(r"Here:\s", source), "what differs from it"
    assert len(re.findall("[■□◣░█●▲▼◄►│┌├┐─~]", docstring.partition("Source: ")[0])) >= 5, "a drawing"


@every_head
def test_stepping_equals_forward_in_the_largest_output_in_float32(name: str) -> None:
    head, x = make(name, dtype=torch.float32), frames(dtype=torch.float32)
    assert torch.equal(stepped(head, x, [1] * FRAMES).argmax(-1), head(x).argmax(-1))


@every_head
def test_long_videos_give_the_same_in_chunks(name: str) -> None:
    """Longer than any block or segment inside a kernel, in chunks that meet none of their borders."""
    head, x = make(name), frames(1, 2500)
    with torch.no_grad():
        torch.testing.assert_close(stepped(head, x, [7, 333, 1, 2100, 59]), head(x), **TIGHT)


@pytest.mark.parametrize("name", sorted(name for name in HEADS if make(name).segment_frames is not None))
@pytest.mark.parametrize("learns", [True, False])
def test_segments_equal_the_whole(name: str, learns: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    head, weight, lengths, scan = make(name), frames(seed=2), mask_of(FRAMES, 11), HEADS[name].scan
    results, seen = [], []

    def noted(self: TemporalHead, x: Tensor, *rest: object) -> object:
        seen.append(x.shape[1])
        return scan(self, x, *rest)

    monkeypatch.setattr(HEADS[name], "scan", noted)
    for size in (FRAMES, 5):
        monkeypatch.setattr(HEADS[name], "segment_frames", 5 if learns else size)
        monkeypatch.setattr(base, "MIN_TRAINING_SEGMENT", size)
        x = frames().requires_grad_(learns)
        with torch.set_grad_enabled(learns):
            y = head(x, lengths)
        gradients = (
            torch.autograd.grad((y * weight).sum(), [x, *head.parameters()], allow_unused=True) if learns else ()
        )
        results.append([y, *(part for part in gradients if part is not None)])
    assert seen == [FRAMES, 5, 5, 5, 5, 3]
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(parts, whole, **TIGHT)


@every_head
@settings(max_examples=10)
@given(takes=st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=6))
def test_streams_may_run_out_of_step(name: str, takes: list[tuple[int, ...]]) -> None:
    head, videos = make(name).requires_grad_(False), frames(3, 24)
    whole = head(videos)
    state, done = head.init_state(3), [0, 0, 0]
    for take in takes:
        x, mask = torch.full((3, 4, DIM), torch.nan, dtype=torch.float64), mask_of(*take, num_frames=4)
        parts = [slice(start, start + count) for start, count in zip(done, take)]
        for row, part in enumerate(parts):
            x[row, : take[row]] = videos[row, part]
        y, state = head.step(x, state, mask)
        for row, part in enumerate(parts):
            torch.testing.assert_close(y[row, : take[row]], whole[row, part], **TIGHT)
        done = [part.stop for part in parts]


@pytest.mark.parametrize("name", sorted(name for name in HEADS if HEADS[name].fixed_context))
def test_a_fixed_context_depends_on_the_newest_frames_only(name: str) -> None:
    head, x, query = make(name).requires_grad_(False), frames(num_frames=70), frames(num_frames=1, seed=4)
    assert head.context_frames is not None
    whole = head(x)
    for end in (head.context_frames, head.context_frames + 1, 53, 70):
        newest = x[:, end - head.context_frames : end]
        torch.testing.assert_close(head(newest)[:, -1], whole[:, end - 1], **TIGHT)
        answers = [head.ask(query, head.step(part, head.init_state(2))[1]) for part in (newest, x[:, :end])]
        torch.testing.assert_close(*answers, **TIGHT)


@every_head
@settings(max_examples=10)
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_any_chunking_gives_the_same(name: str, sizes: list[int]) -> None:
    head, x = make(name).requires_grad_(False), frames(1, sum(sizes))
    torch.testing.assert_close(stepped(head, x, sizes), head(x), **TIGHT)


@every_head
@pytest.mark.parametrize("causal", [True, False])
def test_padding_never_leaks(name: str, causal: bool) -> None:
    if not causal and not HEADS[name].supports_noncausal:
        pytest.skip("has no non-causal form")
    head, mask = make(name, causal), mask_of(FRAMES, 9)
    clean = frames().masked_fill(~mask[..., None], 0)
    dirty = frames().masked_fill(~mask[..., None], torch.nan).requires_grad_()
    y = head(dirty, mask)
    y.sum().backward()
    torch.testing.assert_close(y, head(clean, mask), rtol=0, atol=0)
    torch.testing.assert_close(y[1, :9], head(frames()[1:, :9])[0], **TIGHT)
    assert not y[~mask].any() and not dirty.grad[~mask].any()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in [dirty, *head.parameters()])


@every_head
def test_invalid_frames_leave_the_state_as_it_was(name: str) -> None:
    head = make(name)
    _, before = head.step(frames(), head.init_state(2))
    y, after = head.step(frames(seed=3), before, mask_of(4, 0))
    assert not y[1].any()
    for old, new in zip(before, after):
        assert torch.equal(padded_like(old[1], new[1]), new[1])
    assert not all(torch.equal(old[0], new[0]) for old, new in zip(before, after))


@every_head
def test_state_is_neither_changed_nor_shared(name: str) -> None:
    head, x = make(name).requires_grad_(False), frames()
    _, state = head.step(x, head.init_state(2))
    before = copy.deepcopy(state)
    _, new = head.step(x, state)
    head.ask(x, state)
    assert type(new) is type(state) and equal_states(state, before)
    memory = [{part.untyped_storage().data_ptr() for part in parts if part.numel()} for parts in (state, new, (x,))]
    assert not (memory[0] & memory[1] or memory[2] & (memory[0] | memory[1]))


@every_head
@pytest.mark.parametrize("layers", [1, 2])
def test_state_bytes_are_what_is_kept(name: str, layers: int) -> None:
    """And not what it was taken from."""
    head = make(name, **{"layers": layers} if "layers" in SMALL.get(name, {}) else {})
    for batch, count in [(1, 1), (3, FRAMES)]:
        with torch.no_grad():
            _, state = head.step(frames(batch, count), head.init_state(batch))
        assert head.state_bytes(batch, count) == sum(part.untyped_storage().nbytes() for part in state)
        assert all(part.shape[0] == batch for part in state)


@every_head
def test_nothing_before_a_changed_frame_moves(name: str) -> None:
    head, x, changed = make(name), frames(), frames()
    changed[:, 10:] = frames(seed=3)[:, 10:]
    y, moved = head(x), head(changed)
    torch.testing.assert_close(moved[:, :10], y[:, :10], **TIGHT)
    assert bool((moved[:, 10] != y[:, 10]).any())


def gradient_at(head: TemporalHead, x: Tensor, frame: int) -> Tensor:
    """Bool (T,): which frames of x (1, T, D) an output has a gradient to."""
    x = x.clone().requires_grad_()
    (head(x)[0, frame] * frames(1, 1)[0, 0]).sum().backward()  # weighted: the sum of a LayerNorm has no gradient
    return (x.grad[0].abs() > 1e-15).any(-1)


def change_at(head: TemporalHead, x: Tensor, frame: int) -> Tensor:
    """Bool (T,): which frames of x (1, T, D) move an output when they are changed."""
    changed = torch.where(torch.eye(x.shape[1], dtype=torch.bool)[..., None], -x, x)
    return ((head(changed) - head(x))[:, frame].abs() > 1e-12).any(-1)


@every_head
@pytest.mark.parametrize("causal", [True, False])
def test_context_frames_is_what_a_gradient_reaches(name: str, causal: bool) -> None:
    if not causal and not HEADS[name].supports_noncausal:
        pytest.skip("has no non-causal form")
    head, x, back, ahead = make(name, causal), frames(1, 48), [], []
    reached_from = change_at if name in NO_GRADIENT_TO_THE_PAST else gradient_at
    for frame in range(32, 40):  # where frames are read in blocks, some see further back than others
        reached = reached_from(head, x, frame).nonzero().flatten()
        back.append(frame - int(reached.min()) + 1)
        ahead.append(int(reached.max()) - frame + 1)
    if head.context_frames is None:
        assert back == list(range(33, 41)) and ahead == ([1] * 8 if causal else list(range(16, 8, -1)))
    else:
        assert max(back) == head.context_frames
        assert max(ahead) == (1 if causal else min(16, head.context_frames))


@every_head
def test_a_query_is_read_like_the_next_frame_and_not_stored(name: str) -> None:
    head, queries = make(name), frames(2, 3, seed=4)
    _, state = head.step(frames(), head.init_state(2), mask_of(FRAMES, 6))
    answers = head.ask(queries, state)
    for index in range(3):
        alone, _ = head.step(queries[:, index : index + 1], state)
        torch.testing.assert_close(answers[:, index : index + 1], alone, **TIGHT)
    assert head.ask(queries[:, :0], state).shape == (2, 0, DIM)


def asked_alone(head: TemporalHead, x: Tensor, state: Any, mask: Tensor, queries: PlacedQueries) -> Results:
    """The slow form of `ask_along`: each query is asked of a stream of its own."""
    answers = []
    for vector, row, seen in zip(queries.vectors, *queries.places):
        own = type(state)(*(part[row : row + 1] for part in state))
        _, own = head.step(x[row, None, :seen], own)
        answers.append(head.ask(vector[None, None], own)[0, 0])
    return head.step(x, state, mask)[0], torch.stack(answers)


@every_head
def test_asking_along_equals_asking_alone_in_outputs_and_gradients(name: str) -> None:
    """At all kinds of places: before the first frame, at the end, several queries at one, rows without any frame."""
    head, mask = make(name), mask_of(FRAMES, 11, 0, 5)
    rows, seen = torch.tensor([(0, 0), (1, 11), (1, 4), (0, 23), (2, 0), (0, 9), (1, 4), (0, 9), (0, 22), (3, 1)]).T
    vectors, weight = torch.randn(2, 10, DIM, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    results = []
    for run in (head.ask_along, partial(asked_alone, head)):
        x, asked = frames(4).requires_grad_(), vectors.clone().requires_grad_()
        _, begun = head.step(frames(4, 9, seed=5), head.init_state(4), mask_of(9, 0, 0, 2, num_frames=9))
        y, answers = run(x, begun, mask, PlacedQueries(asked, Places(rows, seen)))
        loss = (y * frames(4, seed=2)).sum() + (answers * weight).sum()
        gradients = torch.autograd.grad(loss, [x, asked, *head.parameters()], allow_unused=True)
        results.append([y, answers, *(part for part in gradients if part is not None)])
    for along, alone in zip(*results, strict=True):
        torch.testing.assert_close(along, alone, **TIGHT)


@one_pass
@settings(max_examples=5)
@given(data=st.data(), size=st.integers(1, FRAMES))
def test_asking_along_equals_asking_alone_at_any_places(name: str, data: st.DataObject, size: int) -> None:
    """Without gradients, in segments of any size."""
    lengths = data.draw(st.lists(st.integers(0, FRAMES), min_size=1, max_size=3))
    place = st.integers(0, len(lengths) - 1).flatmap(lambda row: st.tuples(st.just(row), st.integers(0, lengths[row])))
    rows, seen = torch.tensor(data.draw(st.lists(place, min_size=1, max_size=5))).T
    head, x, mask = make(name).requires_grad_(False), frames(len(lengths)), mask_of(*lengths)
    inputs = (x, head.init_state(len(x)), mask, PlacedQueries(frames(1, len(rows), seed=4)[0], Places(rows, seen)))
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        if head.segment_frames is not None:
            patch.setattr(HEADS[name], "segment_frames", size)
        along, alone = head.ask_along(*inputs), asked_alone(head, *inputs)
    for fast, slow in zip(along, alone, strict=True):
        torch.testing.assert_close(fast, slow, **TIGHT)


class CallCounter(TorchDispatchMode):
    """Counts the operations of torch."""

    calls = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return function(*args, **(kwargs or {}))


@one_pass
def test_more_places_take_no_more_operations(name: str) -> None:
    head, counts = make(name), []
    for num_places in (2, FRAMES):
        seen = torch.arange(num_places) + 1
        queries = PlacedQueries(frames(1, num_places)[0], Places(torch.zeros_like(seen), seen))
        with torch.no_grad(), CallCounter() as counter:
            head.ask_along(frames(1), head.init_state(1), mask_of(FRAMES), queries)
        counts.append(counter.calls)
    assert counts[1] <= counts[0] + 10


@every_head
def test_sizes_at_the_edge(name: str) -> None:
    head, state = make(name), make(name).init_state(2)
    assert head(frames(2, 0)).shape == (2, 0, DIM)
    y, same = head.step(frames(2, 0), state)
    assert y.shape == (2, 0, DIM) and equal_states(same, state)
    assert head(frames(0, 3)).shape == (0, 3, DIM)
    assert not head(frames(), mask_of(0, 0)).any()
    torch.testing.assert_close(head(frames(3))[:1], head(frames(3)[:1]), **TIGHT)


@pytest.mark.parametrize("name", IN_PARTS)
def test_whole_videos_read_in_parts_equal_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With gradients and without, for a video longer than the parts."""
    head, weight, lengths = make(name, causal=False), frames(2, 2500, seed=2), mask_of(2500, 1201, num_frames=2500)
    results = []
    for size in (4096, 1):
        monkeypatch.setattr(base, "MIN_TRAINING_SEGMENT", size)
        x = frames(2, 2500).requires_grad_()
        y = head(x, lengths)
        gradients = torch.autograd.grad((y * weight).sum(), [x, *head.parameters()], allow_unused=True)
        results.append([y, *(part for part in gradients if part is not None)])
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(parts, whole, **TIGHT)
    with torch.no_grad():
        torch.testing.assert_close(head(frames(2, 2500), lengths), results[0][0], **TIGHT)


@noncausal_head
def test_the_noncausal_form_sees_both_ways_and_only_whole_videos(name: str) -> None:
    head, x = make(name, causal=False), frames()
    changed = x.clone()
    changed[:, 12] = frames(seed=3)[:, 12]
    moved = (head(changed) != head(x)).any(-1)
    assert bool(moved[:, 11].all() and moved[:, 13].all())
    with pytest.raises(ValueError, match=f"{name} head with causal=False sees the future, so it cannot step"):
        head.step(x, make(name).init_state(2))
    with pytest.raises(ValueError, match=r"so it cannot ask\. Use forward on whole videos, or causal=True\."):
        head.ask(x, make(name).init_state(2))


@every_head
def test_misuse_gets_one_clear_error(name: str) -> None:
    head, x = make(name), frames()
    with pytest.raises(ValueError, match=rf"{name} head expects x \(B, T, 8\), got \(2, 5, 9\)"):
        head(torch.zeros(2, 5, 9))
    with pytest.raises(ValueError, match=rf"{name} head expects x \(B, T, 8\), got \(5, 8\)"):
        head.step(torch.zeros(5, 8), head.init_state(1))
    with pytest.raises(ValueError, match=r"expects x \(B, T, 8\), got \(2, 8\)"):
        head.ask(torch.zeros(2, 8), head.init_state(2))
    with pytest.raises(ValueError, match=r"expects a bool mask \(2, 23\), True = valid, got torch.float64 \(2, 23\)"):
        head(x, torch.ones(2, FRAMES, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"expects a bool mask \(2, 23\), True = valid, got torch.bool \(2, 22\)"):
        head(x, mask_of(1, 1)[:, :-1])
    with pytest.raises(ValueError, match="expects each row's valid frames first, got a gap in the mask"):
        head(x, ~mask_of(1, 2))
    places = Places(torch.tensor([0]), torch.tensor([2]))
    with pytest.raises(ValueError, match=r"expects queries \(N, 8\) and a place of each, got \(1, 9\) and 1 rows"):
        head.ask_along(x, head.init_state(2), mask_of(1, 1), PlacedQueries(torch.zeros(1, 9), places))
    with pytest.raises(
        ValueError, match=r"expects queries after 0 to 1 frames of row 0, got 2\. Read more frames first"
    ):
        head.ask_along(x, head.init_state(2), mask_of(1, 1), PlacedQueries(torch.zeros(1, 8), places))
    with pytest.raises(ValueError, match=f"{name} head expects dim of at least 1, got 0"):
        make_head(name, 0)
    with pytest.raises(ValueError, match=f"{name} head expects dropout of at most 1, got 2"):
        make_head(name, DIM, {"dropout": 2})


@every_head
def test_copies_and_saved_weights_give_the_same(name: str) -> None:
    head, x = make(name), frames()
    torch.manual_seed(7)
    other = make_head(name, DIM, SMALL.get(name, {})).double().eval()
    other.load_state_dict(load(save(head.state_dict())))
    for twin in (copy.deepcopy(head), other):
        assert torch.equal(twin(x), head(x))


@every_head
def test_half_precision_is_close(name: str) -> None:
    head, x = make(name, dtype=torch.float32), frames(dtype=torch.float32)
    exact = head(x)
    half = copy.deepcopy(head).bfloat16()
    y, state = half.step(x.bfloat16(), half.init_state(2))
    assert y.dtype == torch.bfloat16 and half.step(y, state)[0].dtype == torch.bfloat16
    if name == "lstm" and not computes_bfloat16(x.device):
        return  # torch has no mixed LSTM on a CPU without instructions for bfloat16; training refuses it there
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed, state = head.step(x, head.init_state(2), mask_of(FRAMES, 5))
        live, _ = head.step(x[:, :1], state)
    assert bool(live.isfinite().all())
    torch.testing.assert_close(y.float(), exact, rtol=0.1, atol=0.15)
    torch.testing.assert_close(mixed[0].float(), exact[0], rtol=0.1, atol=0.15)


@every_head
def test_dropout_works_in_training_alone(name: str) -> None:
    head, x = make(name, dropout=0.5), frames()
    assert torch.equal(head(x), head(x))
    assert not torch.equal(head.train()(x), head(x))


@every_head
@pytest.mark.parametrize("causal", [True, False])
def test_all_weights_learn(name: str, causal: bool) -> None:
    if not causal and not HEADS[name].supports_noncausal:
        pytest.skip("has no non-causal form")
    head = make(name, causal)
    (head(frames()) ** 3).sum().backward()
    still = [weight for weight, value in head.named_parameters() if value.grad is None or not value.grad.any()]
    assert still == [] and num_parameters(head) > 0
