"""Operations counted as they run, against torch's own counter and against formulas on paper."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vidseq.analysis.flops import HIDDEN_KERNELS, FlopCounter, flops_a_frame
from vidseq.heads import HEADS, HeadConfig, TemporalHead, make_head

D, T = 16, 24

#: Products a frame on paper, in multiplications and additions.
ON_PAPER = {
    "rnn": 3 * 2 * D * D,
    "gru": 3 * 2 * 2 * D * D,
    "lstm": 4 * 2 * 2 * D * D,
    "min_gru": 2 * 2 * 2 * D * D,  # two layers
    "conv": 2 * (2 * 64 * D + 8 * (3 + 1) * 64 * 64),  # in, out, eight layers of three taps and a mix
    # Two blocks: q, k, v, out, and a network four times as wide; scores and sums over (T + 1) / 2 frames on average.
    "attention": 2 * (2 * 12 * D * D + 2 * 2 * D * (T + 1) / 2),
}


@pytest.mark.parametrize("name", ON_PAPER)
def test_the_count_is_what_paper_says(name):
    assert flops_a_frame(make_head(name, D), T) == ON_PAPER[name]


@pytest.mark.parametrize("name", HEADS)
def test_torch_s_own_counter_agrees_on_all_that_it_knows(name):
    # Torch's counter fails on weights that want gradients where there are none.
    head, x = make_head(name, D).eval().requires_grad_(False), torch.zeros(1, T, D)
    with torch.no_grad(), FlopCounter() as ours:
        head(x)
    with torch.no_grad(), FlopCounterMode(display=False) as theirs:
        head(x)
    assert ours.flops - sum(ours.by_kernel[kernel] for kernel in HIDDEN_KERNELS) == theirs.get_total_flops()


def test_longer_videos_cost_attention_more_a_frame_and_recurrences_the_same():
    window, lstm = make_head("attention", D), make_head("lstm", D)
    assert flops_a_frame(window, 64) > flops_a_frame(window, 8)
    assert flops_a_frame(lstm, 64) == flops_a_frame(lstm, 8)


def test_counting_changes_nothing():
    head = make_head("lstm", D).train()
    flops_a_frame(head, 4)
    assert head.training and all(p.grad is None for p in head.parameters())


def test_a_head_without_weights_costs_nothing_that_counts():
    class Sum(TemporalHead):
        name, Config, context_frames = "sum", HeadConfig, None

        def init_state(self, batch_size):
            return (torch.zeros(batch_size, self.dim),)

        def scan(self, x, state, mask):
            y = state[0][:, None] + x.cumsum(dim=1)
            return y, (y[:, -1],)

    assert flops_a_frame(Sum(HeadConfig(dim=D)), T) == 0
