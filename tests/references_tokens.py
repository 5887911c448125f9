"""Transformers with global tokens frame by frame, from a rule that says who sees whom; tokens read from scratch."""

from collections.abc import Callable

import torch
from references_blocks import attend, network_reference, split_heads, turned
from torch import Tensor, nn

#: Which frames a frame sees, by layer and frame.
Sees = Callable[[int, int], list[int]]


def projected(weights: nn.Linear, layer: nn.Module, x: Tensor) -> list[Tensor]:
    return [split_heads(part, layer.block.heads) for part in weights(layer.block.attention_norm(x)).chunk(3, dim=-1)]


def projected_far(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Tokens may have projections of their own."""
    return projected(layer.block.qkv if layer.qkv_global is None else layer.qkv_global, layer, x)


def softmax_read(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(q, k, v, torch.ones(q.shape[2], k.shape[2], dtype=torch.bool))


def frames_read(layer: nn.Module, tokens: list[Tensor], x: Tensor, sees: Callable[[int], list[int]]) -> Tensor:
    """Frame t reads the frames that it sees and tokens[t], (B, G, D)."""
    q, k, v = projected(layer.block.qkv, layer, x)
    q_turned, k_turned, read = turned(q), turned(k), torch.zeros_like(q)
    for t in range(x.shape[1]):
        _, token_k, token_v = projected(layer.block.qkv, layer, tokens[t])
        near = sees(t)
        scores = torch.cat([k_turned[:, :, near] @ q_turned[:, :, t, :, None], token_k @ q[:, :, t, :, None]], 2)
        weights = (scores * q.shape[-1] ** -0.5).softmax(2)
        read[:, :, t] = (weights * torch.cat([v[:, :, near], token_v], dim=2)).sum(2)
    return read


def causal_tokens_reference(head: nn.Module, x: Tensor, period: int, sees: Sees) -> Tensor:
    """At the start of every period the tokens read all frames before it."""
    learned = head.tokens.expand(x.shape[0], -1, -1)
    tokens = dict.fromkeys(range(0, x.shape[1], period), learned)
    for index, layer in enumerate(head.layers):
        now = [tokens[t // period * period] for t in range(x.shape[1])]
        read = frames_read(layer, now, x, lambda t, index=index: sees(index, t))
        if layer is not head.layers[-1]:
            ask, _, _ = projected_far(layer, learned)
            for start, token in tokens.items():
                _, all_k, all_v = projected_far(layer, torch.cat([token, x[:, :start]], dim=1))
                tokens[start] = network_reference(layer.block, token, softmax_read(ask, all_k, all_v))
        x = network_reference(layer.block, x, read)
    return head.last_norm(x)


def noncausal_tokens_reference(head: nn.Module, x: Tensor, sees: Sees) -> Tensor:
    """Tokens read all frames and, unlike causal ones, ask as what they have become."""
    tokens = head.tokens.expand(x.shape[0], -1, -1)
    for index, layer in enumerate(head.layers):
        read = frames_read(layer, [tokens] * x.shape[1], x, lambda t, index=index: sees(index, t))
        if layer is not head.layers[-1]:
            q, _, _ = projected_far(layer, tokens)
            _, k, v = projected_far(layer, torch.cat([tokens, x], dim=1))
            tokens = network_reference(layer.block, tokens, softmax_read(q, k, v))
        x = network_reference(layer.block, x, read)
    return head.last_norm(x)
