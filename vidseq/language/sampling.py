"""Distributions of the next token: sharpened, truncated and sorted."""

from typing import Any

import torch
from torch import Tensor

from vidseq.errors import UserError


def filter_log_probs(
    log_probs: Tensor, *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """Sharpens and truncates distributions, and normalises the rest.

    Args:
        log_probs: (N, V).
        temperature: divides the log-probabilities; towards 0 only the most likely token remains, at 0 exactly it.
        top_k: number of most likely tokens that remain.
        top_p: the fewest most likely tokens that together have at least this probability remain (the nucleus).

    Returns:
        log-probabilities (N, V), -infinity for removed tokens.

    Raises:
        UserError: a temperature below 0, a top_k below 1, or a top_p that is not above 0 and at most 1.

    Source: Fan et al., arXiv:1805.04833 (top k); Holtzman et al., arXiv:1904.09751 (nucleus).
    """
    if not temperature >= 0:
        raise UserError(f"Sampling expects a temperature of at least 0, got {temperature}.")
    if top_k is not None and top_k < 1:
        raise UserError(f"Sampling expects a top_k of at least 1, got {top_k}.")
    if top_p is not None and not 0 < top_p <= 1:
        raise UserError(f"Sampling expects a top_p above 0 and at most 1, got {top_p}.")
    ranked, order = sort_descending(log_probs.double())
    max_tokens = 1 if temperature == 0 else ranked.shape[-1] if top_k is None else min(top_k, ranked.shape[-1])
    ranked = ((ranked - ranked[:, :1]) / (temperature or 1.0)).log_softmax(dim=-1)
    kept = (torch.arange(ranked.shape[-1], device=ranked.device) < max_tokens).expand_as(ranked)
    if top_p is not None:
        ranked = ranked.masked_fill(~kept, -torch.inf).log_softmax(dim=-1)
        before = ranked.exp().cumsum(dim=-1) - ranked.exp()
        kept = kept & (before < top_p)
    ranked = ranked.masked_fill(~kept, -torch.inf).log_softmax(dim=-1)
    return torch.full_like(ranked, -torch.inf).scatter(-1, order, ranked)


def sort_descending(log_probs: Tensor) -> Any:
    """Sorts, best first and the lowest index first among equals; refuses NaN, which would sort first."""
    if bool(log_probs.isnan().any()):
        raise UserError("Generation expects log-probabilities, got NaN. Look at the model's weights and its input.")
    return log_probs.sort(dim=-1, descending=True, stable=True)
