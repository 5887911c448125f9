import itertools
import math

import pytest
import torch
from torch import Tensor

from vidseq.errors import UserError
from vidseq.language.decoder import CELLS, Decoder, sequence_loss
from vidseq.language.pieces import BEGIN, END, FIRST_PIECE, NEVER_WRITTEN
from vidseq.language.question import pad_tokens
from vidseq.language.search import Writer, beam_search, greedy
from vidseq.language.vocabulary import UNKNOWN

NUM_TOKENS = 7
TEXTS = [[4, 5, 6, END], [END], [5, END], [UNKNOWN, 4, 4, 4, 6, END]]


def make_decoder(cell: str, **options: object) -> Decoder:
    torch.manual_seed(0)
    decoder = Decoder(NUM_TOKENS, 16, context_dim=8, cell=cell, **options).double().eval()  # type: ignore[arg-type]
    with torch.no_grad():  # far from uniform, so that a wrong position would be seen
        for parameter in decoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return decoder.requires_grad_(False)


@pytest.fixture(params=sorted(CELLS))
def decoder(request: pytest.FixtureRequest) -> Decoder:
    return make_decoder(request.param)


def contexts(count: int = len(TEXTS)) -> Tensor:
    return torch.randn(count, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def step_log_probs(decoder: Decoder, text: list[int], context: Tensor) -> list[float]:
    """The chain rule, one step at a time."""
    state, token, found = decoder.init_state(context[None]), BEGIN, []
    for following in text:
        log_probs, state = decoder.step(torch.tensor([token]), state)
        found.append(float(log_probs[0, following]))
        token = following
    return found


def test_the_chain_rule(decoder: Decoder) -> None:
    context = contexts()
    whole = decoder.log_prob(pad_tokens(TEXTS), context)
    for text, log_prob, row in zip(TEXTS, whole, context):
        assert float(log_prob) == pytest.approx(sum(step_log_probs(decoder, text, row)), abs=1e-5)


def test_all_sequences_together_have_probability_one(decoder: Decoder) -> None:
    written = [token for token in range(NUM_TOKENS) if token not in (*NEVER_WRITTEN, END)]
    sequences = [[*start, END] for length in range(3) for start in itertools.product(written, repeat=length)]
    sequences += [list(whole) for whole in itertools.product(written, repeat=3)]
    context = contexts(1).expand(len(sequences), -1)
    assert float(decoder.log_prob(pad_tokens(sequences), context).exp().sum()) == pytest.approx(1, abs=1e-5)


def test_a_prefix_stands_for_all_that_begin_so(decoder: Decoder) -> None:
    context = contexts(1)
    written = [token for token in range(NUM_TOKENS) if token not in NEVER_WRITTEN]
    longer = [[5, 4, token] for token in written]
    together = decoder.log_prob(pad_tokens(longer), context.expand(len(longer), -1)).exp().sum()
    assert float(together) == pytest.approx(float(decoder.log_prob(torch.tensor([[5, 4]]), context).exp()), rel=1e-5)


def test_teacher_forcing_costs_the_sum_of_the_steps(decoder: Decoder) -> None:
    context = contexts()
    loss = decoder.loss(pad_tokens(TEXTS), context)
    steps = [log_prob for text, row in zip(TEXTS, context) for log_prob in step_log_probs(decoder, text, row)]
    assert float(loss) == pytest.approx(-sum(steps) / len(steps), abs=1e-5)


def test_padding_changes_nothing(decoder: Decoder) -> None:
    context = contexts()
    together = decoder.log_prob(pad_tokens([*TEXTS, [4] * 9 + [END]])[:4], context)
    for text, log_prob, row in zip(TEXTS, together, context):
        assert float(decoder.log_prob(torch.tensor([text]), row[None])) == pytest.approx(float(log_prob), abs=1e-6)


def test_a_later_token_changes_nothing_before_it(decoder: Decoder) -> None:
    context = contexts(1)
    first, second = decoder(torch.tensor([[4, 5, 6, END]]), context), decoder(torch.tensor([[4, 5, 4, END]]), context)
    torch.testing.assert_close(first[:, :3], second[:, :3])
    assert (first[:, 3, FIRST_PIECE:] - second[:, 3, FIRST_PIECE:]).abs().max() > 1e-3


def test_forbidden_tokens_have_no_probability(decoder: Decoder) -> None:
    log_probs = decoder(pad_tokens(TEXTS), contexts())
    assert bool((log_probs[..., list(NEVER_WRITTEN)] == -torch.inf).all())
    assert bool(log_probs[..., [UNKNOWN, *range(END, NUM_TOKENS)]].isfinite().all())


def test_the_context_decides(decoder: Decoder) -> None:
    tokens = torch.tensor([[4, 5, END], [4, 5, END]])
    log_probs = decoder(tokens, contexts(2))
    for position in range(3):
        assert (log_probs[0, position, END:] - log_probs[1, position, END:]).abs().max() > 1e-3


def test_beam_search_finds_the_decoders_likeliest_sequence(decoder: Decoder) -> None:
    others = [token for token in range(NUM_TOKENS) if token not in (*NEVER_WRITTEN, END)]
    sequences = [[*start, END] for length in range(3) for start in itertools.product(others, repeat=length)]
    sequences += [list(whole) for whole in itertools.product(others, repeat=3)]
    context = contexts(2)
    found = beam_search(Writer(decoder.step, BEGIN, END, 3), decoder.init_state(context), width=100, length_power=0)
    for row, item in zip(context, found):
        log_probs = decoder.log_prob(pad_tokens(sequences), row.expand(len(sequences), -1))
        assert list(item[0].tokens) == sequences[int(log_probs.argmax())]
        assert item[0].log_prob == pytest.approx(float(log_probs.max()), abs=1e-5)


def test_two_sequences_can_continue_from_one_state(decoder: Decoder) -> None:
    state = decoder.init_state(contexts(1))
    _, after = decoder.step(torch.tensor([BEGIN]), state)
    first, _ = decoder.step(torch.tensor([4]), after)
    decoder.step(torch.tensor([5]), after)
    again, _ = decoder.step(torch.tensor([4]), after)
    torch.testing.assert_close(first, again)


def test_label_smoothing_by_hand() -> None:
    log_probs = torch.tensor([[[-torch.inf, math.log(0.2), math.log(0.5), math.log(0.3)]]])
    loss = sequence_loss(log_probs, torch.tensor([[2]]), label_smoothing=0.3)
    expected = -0.7 * math.log(0.5) - 0.1 * (math.log(0.2) + math.log(0.5) + math.log(0.3))
    assert float(loss) == pytest.approx(expected)
    assert float(sequence_loss(log_probs, torch.tensor([[0]]), label_smoothing=0.3)) == 0


def test_scheduled_sampling_reads_its_own_tokens() -> None:
    decoder = make_decoder("lstm")
    tokens, context = torch.full((400, 4), 4), contexts(1).expand(400, -1)
    torch.manual_seed(0)
    mixed = decoder._sampled_inputs(tokens, context, 0.5)
    assert bool((mixed[:, 0] == BEGIN).all())
    assert not bool(torch.isin(mixed[:, 1:], torch.tensor(NEVER_WRITTEN)).any())
    first = decoder(torch.tensor([[4]]), context[:1])[0, 0].exp()
    expected = 0.5 * (1 - float(first[4]))
    assert float((mixed[:, 1] != 4).double().mean()) == pytest.approx(expected, abs=0.08)
    own = decoder._sampled_inputs(tokens, context, 1.0)[:, 1].bincount(minlength=NUM_TOKENS) / 400
    torch.testing.assert_close(own, first, rtol=0, atol=0.08)  # drawn, and not the likeliest
    assert float(first.max()) < 0.8
    torch.manual_seed(0)
    assert bool((decoder._sampled_inputs(tokens, context, 1e-9)[:, 1:] == 4).all())
    assert float(decoder.loss(tokens, context, own_share=1.0)) != pytest.approx(float(decoder.loss(tokens, context)))
    assert not any(part.requires_grad for part in [mixed])


@pytest.mark.parametrize("cell", sorted(CELLS))
@pytest.mark.parametrize("options", [{}, {"own_share": 0.3, "label_smoothing": 0.1}])
def test_it_learns_a_few_texts(cell: str, options: dict[str, float]) -> None:
    torch.manual_seed(0)
    decoder = Decoder(NUM_TOKENS, 16, context_dim=4, cell=cell)
    context, tokens = torch.eye(4), pad_tokens(TEXTS)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=2e-2)
    for _ in range(80):
        optimizer.zero_grad()
        decoder.loss(tokens, context, **options).backward()
        optimizer.step()
    with torch.no_grad():
        written = greedy(Writer(decoder.eval().step, BEGIN, END, 8), decoder.init_state(context))
    assert [list(item.tokens) for item in written] == TEXTS


def test_one_hot_embeddings_have_no_weights() -> None:
    decoder = make_decoder("lstm", embedding="one_hot")
    assert not [name for name, _ in decoder.named_parameters() if "embedding" in name]
    assert decoder.embedding(torch.tensor([3]))[0].nonzero().tolist() == [[3]]
    assert decoder.log_prob(pad_tokens(TEXTS), contexts()).shape == (4,)


def test_wrong_decoders_are_refused() -> None:
    with pytest.raises(UserError, match=r"Unknown decoder cell 'lsmt'\. Did you mean 'lstm'\?"):
        Decoder(7, 8, context_dim=8, cell="lsmt")
    with pytest.raises(UserError, match=r"Unknown embedding 'onehot'\. Did you mean 'one_hot'\?"):
        Decoder(7, 8, context_dim=8, embedding="onehot")
    with pytest.raises(UserError, match=r"one_hot embedding expects a dim of at least its 7 tokens, got 6\."):
        Decoder(7, 6, context_dim=8, embedding="one_hot")


def test_no_sequences_are_no_error(decoder: Decoder) -> None:
    tokens = torch.zeros(0, 3, dtype=torch.long)
    assert decoder.log_prob(tokens, contexts(0)).shape == (0,)
    assert float(decoder.loss(tokens, contexts(0))) == 0
