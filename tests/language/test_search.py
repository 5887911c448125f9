import importlib.util
import math
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from vidseq.errors import UserError
from vidseq.language.sampling import filter_log_probs
from vidseq.language.search import Completion, Writer, beam_search, greedy, sample, select_rows


def _load_tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("language_tables", Path(__file__).with_name("conftest.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Tables = _load_tables().Tables
END = 1


def best(sequences: dict[tuple[int, ...], float], power: float) -> list[tuple[tuple[int, ...], float]]:
    scored = [(tokens, log_prob / len(tokens) ** power) for tokens, log_prob in sequences.items()]
    return sorted(scored, key=lambda pair: -pair[1])


@settings(max_examples=25)
@given(
    st.integers(3, 5), st.integers(1, 4), st.integers(0, 10_000), st.sampled_from([0.0, 0.6, 1.0]), st.integers(1, 6)
)
def test_beam_search_of_full_width_is_brute_force(
    num_tokens: int, max_length: int, seed: int, power: float, num_best: int
) -> None:
    tables = Tables(num_tokens, seed)
    (found,) = beam_search(
        tables.writer(max_length), tables.start(0), width=4**max_length, num_best=num_best, length_power=power
    )
    expected = best(tables.all_sequences(0, max_length), power)[:num_best]
    assert [item.tokens for item in found] == [tokens for tokens, _ in expected]
    np.testing.assert_allclose([item.score for item in found], [score for _, score in expected])
    assert all(item.finished == (item.tokens[-1] == END) for item in found)
    for item in found:
        assert item.log_prob == pytest.approx(tables.log_prob(0, item.tokens))


def test_a_long_sequence_may_still_overtake_a_short_one() -> None:
    """Ending at once is likelier than anything else, but nothing is lost after the first token."""

    def step(tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        first = torch.tensor([-torch.inf, math.log(0.6), math.log(0.4)])
        later = torch.tensor([-torch.inf, math.log(0.01), math.log(0.99)])
        return torch.where(state == 0, first, later), state + 1

    start = torch.zeros(1, 1)
    for power, best in ((0.0, (END,)), (1.0, (2, 2, 2, 2))):
        (found,) = beam_search(Writer(step, 0, END, 4), start, width=3, length_power=power)
        assert found[0].tokens == best


@settings(max_examples=25)
@given(st.integers(3, 6), st.integers(1, 6), st.integers(0, 10_000))
def test_greedy_is_beam_search_of_width_one(num_tokens: int, max_length: int, seed: int) -> None:
    tables = Tables(num_tokens, seed)
    writer, rows = tables.writer(max_length), (0, 1, 2)
    chosen = greedy(writer, tables.start(*rows))
    beams = beam_search(writer, tables.start(*rows), width=1, length_power=0)
    assert chosen == [found[0] for found in beams]
    for row, item in zip(rows, chosen):  # and both take the likeliest token at every position
        for position, token in enumerate(item.tokens):
            assert token == int(tables.probabilities(row, item.tokens[:position]).argmax())


@settings(max_examples=25)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=5), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
def test_a_batch_is_its_rows_one_by_one(rows: list[int], max_length: int, width: int, num_best: int) -> None:
    tables = Tables(5)
    writer = tables.writer(max_length)
    together = beam_search(writer, tables.start(*rows), width=width, num_best=num_best)
    alone = [beam_search(writer, tables.start(row), width=width, num_best=num_best)[0] for row in rows]
    assert together == alone
    assert greedy(writer, tables.start(*rows)) == [greedy(writer, tables.start(row))[0] for row in rows]


def test_a_wider_beam_finds_what_greedy_misses() -> None:
    found_better = 0
    for seed in range(20):
        tables = Tables(4, seed)
        writer, start = tables.writer(4), tables.start(0)
        narrow = greedy(writer, start)[0].log_prob
        wide = beam_search(writer, start, width=64, length_power=0)[0][0].log_prob
        assert wide >= narrow - 1e-12
        found_better += wide > narrow + 1e-9
    assert found_better >= 5


def chi_square(counts: dict[tuple[int, ...], int], log_probs: dict[tuple[int, ...], float]) -> float:
    """P-value of counts under a model; sequences that are expected less than five times stand together."""
    observed = np.array([counts[tokens] for tokens in log_probs], dtype=float)
    expected = observed.sum() * np.exp(list(log_probs.values()))
    rare = expected < 5
    columns = [np.append(part[~rare], part[rare].sum() + 1e-9) for part in (observed, expected)]
    return float(stats.chisquare(*columns).pvalue)


def test_sampling_follows_the_model() -> None:
    tables = Tables(4, seed=3)
    generator = torch.Generator().manual_seed(0)
    (drawn,) = sample(tables.writer(3), tables.start(0), num_samples=2000, generator=generator)
    sequences = tables.all_sequences(0, 3)
    counts = dict.fromkeys(sequences, 0)
    for item in drawn:
        counts[item.tokens] += 1
        assert item.log_prob == pytest.approx(sequences[item.tokens])
    assert chi_square(counts, sequences) > 0.01
    assert chi_square(counts, Tables(4, seed=4).all_sequences(0, 3)) < 1e-6  # another model would be noticed


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_a_temperature_towards_zero_is_greedy(seed: int) -> None:
    tables = Tables(5, seed)
    writer, start = tables.writer(4), tables.start(0, 1)
    chosen = greedy(writer, start)
    for temperature in (1e-6, 0.0):
        drawn = sample(writer, start, num_samples=2, temperature=temperature)
        assert [item.tokens for row in drawn for item in row] == [item.tokens for item in chosen for _ in range(2)]


@given(st.integers(2, 8), st.integers(1, 8), st.floats(0.05, 1.0), st.integers(0, 10_000))
def test_top_k_and_nucleus_never_leave_their_sets(num_tokens: int, top_k: int, top_p: float, seed: int) -> None:
    log_probs = torch.randn(3, num_tokens, generator=torch.Generator().manual_seed(seed)).mul(2).log_softmax(-1)
    for row, by_rank, by_mass in zip(
        log_probs, filter_log_probs(log_probs, top_k=top_k), filter_log_probs(log_probs, top_p=top_p)
    ):
        order = row.argsort(descending=True).tolist()
        assert set(by_rank.isfinite().nonzero()[:, 0].tolist()) == set(order[:top_k])
        nucleus: set[int] = set()
        mass = 0.0
        for token in order:  # the definition, spelt out
            if mass >= top_p:
                break
            nucleus.add(token)
            mass += math.exp(float(row[token]))
        left = set(by_mass.isfinite().nonzero()[:, 0].tolist())
        assert left == nucleus or abs(mass - top_p) < 1e-6
        for cut in (by_rank, by_mass):
            assert float(cut.exp().sum()) == pytest.approx(1)
            inside = cut.isfinite()
            torch.testing.assert_close(cut[inside], row[inside].double().log_softmax(-1))


def test_draws_stay_in_the_sets() -> None:
    tables = Tables(8, seed=1)
    (drawn,) = sample(tables.writer(3), tables.start(0), num_samples=300, top_k=2, top_p=0.8)
    for item in drawn:
        for position, token in enumerate(item.tokens):
            assert token in np.argsort(-tables.probabilities(0, item.tokens[:position]))[:2]


class Count(NamedTuple):
    position: Tensor
    ends_at: Tensor


def ends_at(tokens: Tensor, state: Count) -> tuple[Tensor, Count]:
    """Ends each row where its state does, and writes token 2 before, or 3 half as likely."""
    log_probs = torch.full((len(tokens), 4), -torch.inf)
    ends = state.position == state.ends_at
    log_probs[ends, END] = 0.0
    log_probs[~ends, 2], log_probs[~ends, 3] = math.log(2 / 3), math.log(1 / 3)
    return log_probs, Count(state.position + 1, state.ends_at)


@pytest.mark.parametrize("how", ["greedy", "sample", "beam"])
def test_an_end_is_reached_at_every_position(how: str) -> None:
    writer = Writer(ends_at, 0, END, max_length=5)
    start = Count(torch.zeros(7, dtype=torch.long), torch.arange(7))
    found: list[Completion]
    if how == "greedy":
        found = greedy(writer, start)
    elif how == "sample":
        found = [row[0] for row in sample(writer, start, top_k=1)]
    else:
        found = [row[0] for row in beam_search(writer, start, width=3)]
    for position, item in enumerate(found):
        assert item.tokens == ((2,) * position + (END,))[:5]
        assert item.finished == (position < 5)
        assert item.log_prob == pytest.approx(min(position, 5) * math.log(2 / 3))


def test_what_is_banned_is_never_written(tables: Any) -> None:
    writer = tables.writer(4, banned=(2,))
    for row in range(5):
        start = tables.start(row)
        found = [*greedy(writer, start), *sample(writer, start, num_samples=20)[0]]
        found += beam_search(writer, start, width=4, num_best=4)[0]
        for item in found:
            assert 2 not in item.tokens
            assert item.log_prob == pytest.approx(tables.log_prob(row, item.tokens))  # the model's own


def test_states_are_never_changed(tables: Any) -> None:
    start = tables.start(0, 1)
    kept = [part.clone() for part in start]
    beam_search(tables.writer(3), start, width=2)
    sample(tables.writer(3), start, num_samples=2)
    for part, before in zip(start, kept):
        torch.testing.assert_close(part, before)


def test_rows_of_nested_states() -> None:
    class Outer(NamedTuple):
        inner: Count
        part: Tensor

    state = Outer(Count(torch.tensor([1, 2]), torch.tensor([3, 4])), torch.tensor([[5], [6]]))
    taken = select_rows(state, torch.tensor([1, 1, 0]))
    assert isinstance(taken, Outer) and isinstance(taken.inner, Count)
    assert taken.inner.ends_at.tolist() == [4, 4, 3]
    assert taken.part.tolist() == [[6], [6], [5]]


def test_nothing_to_write_is_no_error(tables: Any) -> None:
    start = tables.start()

    def step(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        return torch.zeros(0, 5), state

    writer = Writer(step, 0, END, 3)
    assert greedy(writer, start) == beam_search(writer, start, width=2) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, r"Sampling expects a temperature of at least 0, got -1\.0\."),
        ({"top_k": 0}, r"Sampling expects a top_k of at least 1, got 0\."),
        ({"top_p": 0.0}, r"Sampling expects a top_p above 0 and at most 1, got 0\.0\."),
    ],
)
def test_wrong_sampling_is_refused(options: dict[str, Any], message: str, tables: Any) -> None:
    with pytest.raises(UserError, match=message):
        sample(tables.writer(2), tables.start(0), **options)


def test_wrong_searches_are_refused(tables: Any) -> None:
    with pytest.raises(UserError, match=r"expects width and num_best of at least 1 .* got 0, 1 and 0\.6\."):
        beam_search(tables.writer(2), tables.start(0), width=0)
    with pytest.raises(UserError, match=r"Generation expects a max_length of at least 1, got 0\."):
        tables.writer(0)

    def broken(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        return torch.full((len(tokens), 4), torch.nan), state

    with pytest.raises(UserError, match=r"Generation expects log-probabilities, got NaN\."):
        greedy(Writer(broken, 0, END, 3), tables.start(0))
