"""The Memorizing Transformer a frame and an attention head at a time, with a Python list for a store."""

import math

import torch
import torch.nn.functional as F
from references import rotated
from torch import Tensor, nn


def nearest(q: Tensor, k: Tensor, v: Tensor, seen: list[list[int]], count: int) -> tuple[Tensor, list[list[int]]]:
    """One row and one attention head: q (T, d), k and v (N, d); what each query may see, and what it finds."""
    reads, found = [], []
    for query, keys in zip(q, seen):
        scores = {key: float(query.detach() @ k[key].detach()) for key in keys}
        best = sorted(scores, key=lambda key: -scores[key])[:count]
        found.append(best)
        weights = (k[best] @ query / math.sqrt(len(query))).softmax(0)
        reads.append(weights @ v[best] if best else torch.zeros_like(query))
    return torch.stack(reads), found


def memorizing(head: nn.Module, x: Tensor) -> Tensor:
    """The equations of the head's docstring, x (B, T, D)."""
    config = head.config
    for number, block in enumerate(head.blocks, start=1):
        q, k, v = block.qkv(block.attention_norm(x)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (config.heads, -1)).transpose(1, 2) for part in (q, k, v))
        outputs = []
        for t in range(x.shape[1]):
            window = range(max(0, t - config.window + 1), t + 1)
            turned = torch.stack([rotated(k[:, :, j], j) for j in window], dim=2)
            scores = torch.einsum("bhd,bhjd->bhj", rotated(q[:, :, t], t), turned) / math.sqrt(q.shape[-1])
            local = torch.einsum("bhj,bhjd->bhd", scores.softmax(-1), v[:, :, list(window)])
            if number == config.memory_layer:
                store = list(range(max(0, t - config.window - config.memory + 1), t - config.window + 1))
                looked_up = torch.zeros_like(local)
                for row in range(x.shape[0]):
                    for one in range(config.heads):
                        part = q[row, one, t : t + 1], k[row, one].detach(), v[row, one].detach()
                        looked_up[row, one] = nearest(*part, [store], config.neighbours)[0][0]
                gate = torch.sigmoid(head.gate_bias)[:, None]
                local = looked_up * gate + local * (1 - gate)
            outputs.append(local)
        x = x + block.attention_out(torch.stack(outputs, dim=1).flatten(2))
        x = x + block.narrow(F.gelu(block.widen(block.network_norm(x))))
    return head.last_norm(x)
