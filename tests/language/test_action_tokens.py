import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.errors import UserError
from vidseq.language.action_tokens import ActionTokens, NextActionToken
from vidseq.language.decoder import Decoder
from vidseq.language.pieces import BEGIN, END, FIRST_PIECE
from vidseq.language.question import pad_tokens
from vidseq.language.vocabulary import UNKNOWN


def tokens(num_bins: int = 6) -> ActionTokens:
    return ActionTokens(("cut", "mix"), shortest_seconds=1.0, longest_seconds=16.0, num_bins=num_bins)


def test_bins_are_equally_wide_in_the_logarithm() -> None:
    made = tokens()  # edges at 1, 2, 4, 8, 16 seconds
    bins = [made.encode((("cut", seconds),))[1] - made.first_duration for seconds in (0.01, 1.5, 2, 7.9, 8, 16, 99)]
    assert bins == [0, 1, 2, 3, 4, 5, 5]
    assert made.seconds(made.first_duration + 2) == pytest.approx(math.sqrt(8))
    assert made.seconds(made.first_duration + 2, 0.0) == pytest.approx(2)


@given(st.lists(st.tuples(st.sampled_from(["cut", "mix"]), st.floats(1.0, 15.9)), max_size=5))
def test_futures_come_back_to_within_their_bins(future: list[tuple[str, float]]) -> None:
    made = tokens(50)
    written = made.encode(tuple(future))
    assert written[-1] == END and len(written) == 2 * len(future) + 1
    found = made.decode(written)
    assert [label for label, _ in found] == [label for label, _ in future]
    for (_, ours), (_, true) in zip(found, future):
        assert abs(math.log(ours / true)) <= made.step / 2 + 1e-9


def test_a_future_that_goes_on_has_no_end() -> None:
    made = tokens()
    future = (("cut", 3.0), ("mix", 3.0), ("cut", 3.0))
    assert made.encode(future, 2) == made.encode(future)[:4]
    assert made.encode((("sing", 3.0),))[0] == UNKNOWN
    assert made.decode(made.encode(future)[:3]) == made.decode(made.encode(future)[:2])


def test_labels_and_durations_take_turns_and_all_plans_sum_to_one() -> None:
    torch.manual_seed(0)
    made = tokens(3)
    decoder = Decoder(len(made), 8, context_dim=4, next_token=NextActionToken(8, made, 2)).double().eval()
    context = torch.randn(1, 4, dtype=torch.float64)
    labels = (UNKNOWN, *range(FIRST_PIECE, made.first_duration))
    durations = range(made.first_duration, len(made))
    with torch.no_grad():
        first, state = decoder.step(torch.tensor([BEGIN]), decoder.init_state(context))
        after_label, state = decoder.step(torch.tensor([FIRST_PIECE]), state)
        after_duration, _ = decoder.step(torch.tensor([made.first_duration]), state)
        for log_probs, allowed in (
            (first, (END, 4, 5)),
            (after_label, tuple(durations)),
            (after_duration, (END, 4, 5)),
        ):
            assert tuple(log_probs[0].isfinite().nonzero()[:, 0].tolist()) == allowed
            assert float(log_probs.exp().sum()) == pytest.approx(1, abs=1e-6)
        pairs = [(label, length) for label in labels[1:] for length in durations]
        plans = [[END], *([*pair, END] for pair in pairs)]
        plans += [[*one, *other] for one, other in itertools.product(pairs, repeat=2)]
        log_prob = decoder.log_prob(pad_tokens(plans), context.expand(len(plans), -1))
    assert float(log_prob.exp().sum()) == pytest.approx(1, abs=1e-5)


def test_durations_are_the_mixture_by_hand() -> None:
    made = tokens()
    torch.manual_seed(0)
    layer = NextActionToken(8, made, 2).requires_grad_(False)
    layer.duration.weight.zero_()
    layer.duration.bias.copy_(torch.tensor([0.0, math.log(3), 1.0, 4.0, 0.0, math.log(0.5)]))

    def below(edge: float) -> float:
        return 0.25 / (1 + math.exp(-(edge - 1))) + 0.75 / (1 + math.exp(-(edge - 4) / 0.5))

    edges = [0.0, *(below(edge) for edge in range(1, 6)), 1.0]
    expected = [high - low for low, high in itertools.pairwise(edges)]
    torch.testing.assert_close(layer.durations(torch.zeros(8)).exp(), torch.tensor(expected), atol=1e-5, rtol=1e-4)


def test_a_sharp_duration_is_learnt() -> None:
    torch.manual_seed(0)
    made = tokens(12)
    layer = NextActionToken(4, made, 3)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(150):  # two lengths, one three times as often
        log_probs = layer.durations(torch.ones(4))
        loss = -(0.75 * log_probs[3] + 0.25 * log_probs[9])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert log_probs.exp()[[3, 9]].tolist() == pytest.approx([0.75, 0.25], abs=0.08)


def test_wrong_tokens_are_refused() -> None:
    with pytest.raises(UserError, match=r"0 < shortest_seconds < longest_seconds, got 1 labels, 5 bins, 3 and 2\."):
        ActionTokens(("a",), shortest_seconds=3, longest_seconds=2, num_bins=5)
    with pytest.raises(UserError, match=r"got 0 labels"):
        ActionTokens((), shortest_seconds=1, longest_seconds=2, num_bins=5)
