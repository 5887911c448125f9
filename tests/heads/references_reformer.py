"""Slow, obvious twins of the reformer's attention."""

import torch
from torch import Tensor


def hashed(x: Tensor, rotations: Tensor) -> list[int]:
    """The buckets of one vector (d) in every round; rotations (rounds, d, buckets / 2)."""
    return [max(enumerate([*(x @ r).tolist(), *(-(x @ r)).tolist()]), key=lambda pair: pair[1])[0] for r in rotations]


def lsh_by_frame(
    q: Tensor, k: Tensor, v: Tensor, buckets: Tensor, lengths: list[int], window: int, causal: bool
) -> Tensor:
    """Frame by frame: a list of what each round finds, and one softmax over all of it."""
    y = torch.zeros_like(q)
    for row, length in enumerate(lengths):
        for head in range(q.shape[1]):
            for t in range(length):
                seen = []
                for ids in buckets[row, head].tolist():
                    mates = [j for j in range(length) if ids[j] == ids[t]]
                    seen += [j for j in mates if j < t][-window:]
                    seen += [] if causal else [j for j in mates if j > t][:window]
                seen = seen or [t]
                weights = (k[row, head][seen] @ q[row, head, t]).softmax(0)
                y[row, head, t] = weights @ v[row, head][seen]
    return y
