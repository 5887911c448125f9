import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references_retro import retrieved, retro

from vidseq.errors import UserError
from vidseq.heads import TemporalHead, make_head
from vidseq.heads.retro import find_similar


def make(**options: object) -> TemporalHead:
    torch.manual_seed(0)
    return make_head("retro", 8, {"heads": 2, "window": 4, "chunk": 3, "neighbours": 2} | options).double()


@settings(max_examples=12, deadline=None)
@given(
    chunk=st.integers(1, 5),
    neighbours=st.integers(1, 4),
    window=st.integers(1, 6),
    encoder_layers=st.integers(1, 2),
    num_frames=st.integers(1, 22),
)
def test_equals_the_equations_frame_by_frame(chunk, neighbours, window, encoder_layers, num_frames) -> None:
    head = make(chunk=chunk, neighbours=neighbours, window=window, encoder_layers=encoder_layers)
    x = torch.randn(2, num_frames, 8, dtype=torch.float64)
    expected = torch.stack([retro(head, video) for video in x])
    torch.testing.assert_close(head(x), expected, rtol=1e-10, atol=1e-10)


def test_gradients_equal_those_of_the_equations() -> None:
    head, x = make(), torch.randn(1, 20, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(20, 8, dtype=torch.float64)
    parameters = [x, *head.parameters()]
    results = [torch.autograd.grad((run * weight).sum(), parameters) for run in (head(x)[0], retro(head, x[0]))]
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


def test_planted_neighbours_are_retrieved() -> None:
    """A scene that comes again finds its first showing, whatever came between."""
    generator = torch.Generator().manual_seed(0)
    chunks = torch.randn(2, 60, 4, 16, generator=generator)
    chunks[0, 50] = chunks[0, 7] + 0.3 * torch.randn(4, 16, generator=generator)
    chunks[1, 45] = chunks[1, 44]  # its own continuation: not to be found
    chunks[1, 59] = chunks[1, 20]
    keys = chunks.mean(2)
    new = torch.stack([keys[0, 40:60], keys[1, [*range(45, 60), *[59] * 5]]])
    found = find_similar(keys, new, torch.tensor([40, 45]), 2)
    assert found[0, 10, 0] == 7 and found[1, 14, 0] == 20
    for row, start in ((0, 40), (1, 45)):
        expected = retrieved(chunks[row].flatten(0, 1), 4, 2)
        last = 60 - start
        assert found[row, :last].tolist() == [expected[start + new] for new in range(last)]


def test_a_chunk_s_neighbours_reach_from_its_last_frame_to_the_last_but_one_of_the_next() -> None:
    """One neighbour, chunk 0: its frames reach those outputs only."""
    m = 4
    head = make(chunk=m, neighbours=1, window=1, layers=1)
    x = torch.randn(1, 24, 8, dtype=torch.float64)
    x[0, 3 * m : 4 * m] = x[0, :m] + 0.01 * torch.randn(m, 8, dtype=torch.float64)  # chunk 3 finds chunk 0
    assert retrieved(x[0], m, 1)[3] == [0]
    x.requires_grad_()
    y = head(x)
    felt = [bool(torch.autograd.grad(y[0, t, 0], x, retain_graph=True)[0][0, :m].any()) for t in range(24)]
    found = retrieved(x[0], m, 1)
    expected = {t for u, chunks in found.items() if chunks == [0] for t in span(u, m) if t < 24}
    assert set(span(3, m)) <= expected
    assert {t for t in range(m, 24) if felt[t]} == expected


def span(chunk: int, length: int) -> range:
    return range(chunk * length + length - 1, chunk * length + 2 * length - 1)


def test_a_fact_far_beyond_the_window_can_be_reported() -> None:
    """A scene that returns retrieves what followed it: a change of that moves the output."""
    head = make(chunk=4, neighbours=1, window=4, layers=1)
    x = torch.randn(1, 4 * 200, 8, dtype=torch.float64)
    x[0, -4:] = x[0, 40:44]
    changed = x.clone()
    changed[0, 44:48] *= -1
    y, moved = head(x)[0, -1], head(changed)[0, -1]
    assert (y - moved).abs().max() > 1e-3


def test_a_search_must_be_known_even_where_none_is_used() -> None:
    with pytest.raises(UserError, match=r"Unknown search 'fais'\. Did you mean 'faiss'\?"):
        make_head("retro", 8, {"heads": 2, "search": "fais"})


def test_dim_must_fit_the_heads() -> None:
    with pytest.raises(
        UserError, match=r"retro head expects dim in multiples of 4 \(an even width per head\), got 6\."
    ):
        make_head("retro", 6, {"heads": 2})
