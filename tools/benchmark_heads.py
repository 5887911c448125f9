"""Times every head against a well-known peer in the same run, and prints a markdown table of ratios.

python tools/benchmark_heads.py --frames 1024 4096

Head and peer take turns, one thread by default, and the best of the runs counts. A ratio is the head's time over its
peer's: below 1 the head is faster. Peers of the recurrent heads have as many parameters, as near as a width can.
"""

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads import HEADS, make_head, num_parameters

OPTIONS: dict[str, dict[str, object]] = {"window": {"window": 128, "layers": 1}, "conv": {"layers": 10}}
"""What the heads are measured with, where it is not their defaults."""


class DenseAttention(nn.Module):
    """A pre-norm transformer block on torch's dense causal attention."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.network = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Attends from every frame to all before it."""
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.network(x)


class Recurrence(nn.Module):
    """nn.LSTM or nn.RNN, of the width that gives it about as many parameters as the head."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.RNN], dim: int, parameters: int) -> None:
        super().__init__()
        gates = 4 if kind is nn.LSTM else 1
        width = next(width for width in range(1, 8 * dim) if gates * width * (dim + width) >= 0.98 * parameters)
        self.kernel = kind(dim, width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Runs the recurrence over the whole sequence."""
        return self.kernel(x)[0]


def peer_of(name: str, dim: int, parameters: int) -> tuple[str, nn.Module]:
    """The peer a head is measured against, and what to call it."""
    if name == "window":
        return "dense SDPA", DenseAttention(dim)
    kind: type[nn.LSTM] | type[nn.RNN] = nn.RNN if name == "rnn" else nn.LSTM
    peer = Recurrence(kind, dim, parameters)
    return f"nn.{kind.__name__} {peer.kernel.hidden_size} wide", peer


def best_of(runs: int, *jobs: Callable[[], object]) -> list[float]:
    """Milliseconds of each job at its best; the jobs take turns, so that a busy machine is fair to all."""
    best = [float("inf")] * len(jobs)
    for run in range(runs + 1):  # the first warms up
        for index, job in enumerate(jobs):
            start = time.perf_counter()
            job()
            if run:
                best[index] = min(best[index], 1000 * (time.perf_counter() - start))
    return best


def forward(module: nn.Module, x: Tensor) -> Callable[[], object]:
    """A job that reads x."""
    return torch.no_grad()(lambda: module(x))


def forward_backward(module: nn.Module, x: Tensor) -> Callable[[], object]:
    """A job that reads x and makes all gradients."""

    def job() -> None:
        module.zero_grad()
        module(x).sum().backward()

    return job


def step_microseconds(name: str, dim: int, runs: int) -> float:
    """Time of one live frame."""
    head = make_head(name, dim, OPTIONS.get(name, {}))
    x, state = torch.randn(1, 1, dim), head.init_state(1)

    @torch.inference_mode()
    def job() -> None:
        nonlocal state
        for _ in range(100):
            _, state = head.step(x, state)

    return 10 * best_of(runs, job)[0]


def row(name: str, batch: int, num_frames: int, dim: int, runs: int) -> str:
    """One line of the table."""
    head = make_head(name, dim, OPTIONS.get(name, {}))
    peer_name, peer = peer_of(name, dim, num_parameters(head))
    x = torch.randn(batch, num_frames, dim)
    once, peer_once = best_of(runs, forward(head, x), forward(peer, x))
    twice, peer_twice = best_of(runs, forward_backward(head, x), forward_backward(peer, x))
    return (
        f"| {name} | {num_parameters(head) / 1000:.0f}k | {num_frames} | {once:.0f} / {twice:.0f} | {peer_name} "
        f"| {peer_once:.0f} / {peer_twice:.0f} | {once / peer_once:.2f} / {twice / peer_twice:.2f} |"
    )


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", nargs="+", choices=sorted(HEADS), default=sorted(HEADS), help="which heads")
    parser.add_argument("--frames", nargs="+", type=int, default=[1024, 4096], help="lengths T of the videos")
    parser.add_argument("--batch", type=int, default=1, help="videos at once")
    parser.add_argument("--dim", type=int, default=256, help="width D")
    parser.add_argument("--runs", type=int, default=5, help="runs, the best counts")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} thread(s), float32, B = {options.batch}, D = {options.dim}\n")
    print("| head | parameters | T | forward / +backward, ms | peer | forward / +backward, ms | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name in options.heads:
        for num_frames in options.frames:
            print(row(name, options.batch, num_frames, options.dim, options.runs), flush=True)
    print("\n| head | one live frame, microseconds | state, bytes |\n|---|---|---|")
    for name in options.heads:
        state_bytes = make_head(name, options.dim, OPTIONS.get(name, {})).state_bytes()
        print(f"| {name} | {step_microseconds(name, options.dim, options.runs):.0f} | {state_bytes} |", flush=True)


if __name__ == "__main__":
    main()
