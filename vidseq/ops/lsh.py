"""Attention among frames with the same hash bucket, which are likely neighbours."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from vidseq.ops.lsh_blocks import Round, Stored, attend_in_rounds

SEGMENT = 2048
"""Frames that are hashed at a time."""
FAST_DEVICE = "cpu"
"""Device on which attention runs block by block; other devices use torch's own operations."""
SELF_PENALTY = 1e3
"""Subtracted from the score of a frame with itself, so that it sees itself only where it sees nothing else. There,
scores lose as many digits as this has."""


class Table(NamedTuple):
    """The latest frames of every bucket: the state of a stream."""

    keys: Tensor
    """(B, H, rounds, buckets, W, d), the newest last; zeros where a bucket has fewer."""
    values: Tensor
    """Like `keys`."""
    filled: Tensor
    """int64 (B, H, rounds, buckets): frames of each bucket, at most W."""


def hash_buckets(x: Tensor, rotations: Tensor) -> Tensor:
    """Hashes vectors so that two with a small angle between them are likely to share a bucket.

    Source: Kitaev et al., arXiv:2001.04451, section 2: h(x) = argmax([x R; -x R]).

    Args:
        x: (B, H, T, d).
        rotations: random numbers R, (H, rounds, d, buckets / 2).

    Returns:
        int64 (B, H, rounds, T), from 0 to buckets - 1.
    """
    rounds, half = rotations.shape[1], rotations.shape[3]
    all_rotations = rearrange(rotations, "h rounds d half -> h d (rounds half)")
    found = []
    for part in x.split(SEGMENT, dim=2):
        rotated = (part @ all_rotations).unflatten(-1, (rounds, half))
        found.append(torch.cat([rotated, -rotated], dim=-1).argmax(dim=-1))
    return torch.cat(found, dim=2).transpose(2, 3)


def lsh_attention(
    q: Tensor, k: Tensor, v: Tensor, buckets: Tensor, num_buckets: int, mask: Tensor, window: int
) -> Tensor:
    """Softmax attention of every frame on the frames of its buckets, past and future.

    Frames are sorted by bucket and then by time. Each sees the `window` frames before and after it that are in the
    same bucket. The rounds of hashing are merged by their sums of exponentials:

        sorted by bucket   │ 1 1 1 │ 2 2 │ 3 3 3 3 │        y = sum_r exp(z_r - log sum_s exp z_s) y_r
        by time in each    │ a c f │ b g │ d e h i │        z_r: log of the sum of exponentials of round r

    Args:
        q: queries, (B, H, T, d).
        k: keys, like `q`.
        v: values, like `q`.
        buckets: int64 (B, H, rounds, T).
        num_buckets: number of buckets.
        mask: bool (B, T), True = valid.
        window: frames on each side.

    Returns:
        (B, H, T, d), undefined where invalid.
    """
    batch, heads, num_rounds, _ = buckets.shape
    ids = buckets.masked_fill(~mask[:, None, None], num_buckets)
    q, k, v = (part.flatten(0, 1) for part in (q, k, v))
    rounds = [_sort(ids[:, :, index].flatten(0, 1))[0] for index in range(num_rounds)]
    return _attend(q, k, v, rounds, (), window, window).unflatten(0, (batch, heads))


def causal_lsh_attention(
    q: Tensor, k: Tensor, v: Tensor, buckets: Tensor, mask: Tensor, table: Table
) -> tuple[Tensor, Table]:
    """Like `lsh_attention`, but to the W latest earlier frames of a bucket, which no later frame can change.

    Frames of the table sort before the new frames of their bucket, so a stream can be cut anywhere.

    Args:
        q: queries, (B, H, T, d).
        k: keys, like `q`.
        v: values, like `q`.
        buckets: int64 (B, H, rounds, T).
        mask: bool (B, T), a row's valid frames first.
        table: the latest frames of every bucket; not changed.

    Returns:
        (B, H, T, d), undefined where invalid, and the new table.
    """
    if q.shape[2] == 1:
        return _next_frame(q, k, v, buckets, mask, table)
    batch, heads, num_rounds, num_buckets, window, _ = table.keys.shape
    ids = buckets.masked_fill(~mask[:, None, None], num_buckets)
    q, k, v = (part.flatten(0, 1) for part in (q, k, v))
    every = torch.arange(num_buckets, device=q.device)
    newest, stored = torch.arange(window, device=q.device) - window, num_buckets * window
    rounds: list[Round] = []
    chosen, exists = [], []
    for index in range(num_rounds):
        filled = table.filled[:, :, index].flatten(0, 1)
        old_ids = torch.where(newest >= -filled[..., None], every[:, None], -1)
        one, order = _sort(torch.cat([old_ids.flatten(1), ids[:, :, index].flatten(0, 1)], dim=1), stored)
        ends = torch.searchsorted(one.ids, every.expand(len(one.ids), -1).contiguous(), right=True)
        latest = (ends[..., None] + newest).clamp(min=0).flatten(1)
        same_bucket = one.ids.gather(1, latest).unflatten(1, (-1, window)) == every[:, None]
        rounds.append(one)
        chosen.append(order.gather(1, latest))
        exists.append(same_bucket & (ends[..., None] >= -newest))
    old_k, old_v = (part.flatten(0, 1).flatten(2, 3) for part in table[:2])  # (N, rounds, stored, d)
    read = _attend(q, k, v, rounds, [*zip(old_k.unbind(1), old_v.unbind(1))], window, 0)
    latest, kept = torch.stack(chosen, dim=1), torch.stack(exists, dim=1)
    keys, values = (
        _newer(old, new, latest).view_as(part.flatten(0, 1)).masked_fill(~kept[..., None], 0)
        for old, new, part in zip((old_k, old_v), (k, v), table)
    )
    new_table = (part.unflatten(0, (batch, heads)) for part in (keys, values, kept.sum(dim=-1)))
    return read.unflatten(0, (batch, heads)), Table(*new_table)


def _newer(old: Tensor, new: Tensor, index: Tensor) -> Tensor:
    """Selects the table's next keys or values, by indices (N, rounds, P) into the old ones (N, rounds, P, d) and then
    the new frames (N, T, d). It works on all rounds at once, because gradients are as large as all new frames."""
    size = old.shape[2]
    from_new = _rows(new, (index - size).clamp(min=0).flatten(1)).view_as(old)
    from_old = old.gather(2, index.clamp(max=size - 1)[..., None].expand_as(old))
    return torch.where((index < size)[..., None], from_old, from_new)


def _next_frame(q: Tensor, k: Tensor, v: Tensor, buckets: Tensor, mask: Tensor, table: Table) -> tuple[Tensor, Table]:
    """Runs `causal_lsh_attention` on one frame: reads its own bucket of every round and sorts nothing."""
    batch, heads, num_rounds, _, window, _ = table.keys.shape
    where = (*torch.meshgrid(*(torch.arange(n, device=q.device) for n in (batch, heads, num_rounds)), indexing="ij"),)
    where = (*where, buckets[..., 0])
    keys, values, filled = (part[where] for part in table)  # (B, H, rounds, W, d) and (B, H, rounds)
    seen = torch.arange(window, device=q.device) >= window - filled[..., None]
    scores = (keys @ q[:, :, None].mT)[..., 0].masked_fill(~seen, -torch.inf)
    alone = ((q * k).sum(dim=-1, keepdim=True) - SELF_PENALTY).expand(-1, -1, num_rounds, -1)
    weights = torch.cat([scores, alone], dim=-1).flatten(2).softmax(dim=-1)
    k, v = (part[:, :, None].expand(-1, -1, num_rounds, -1, -1) for part in (k, v))
    keys, values = (torch.cat([old, new], dim=3) for old, new in ((keys, k), (values, v)))
    read = weights[:, :, None] @ values.flatten(2, 3)

    valid = mask[..., None, None]  # (B, 1, 1, 1)
    kept = (torch.where(valid[..., None], part[:, :, :, 1:], part[:, :, :, :-1]) for part in (keys, values))
    filled = torch.where(valid[..., 0], (filled + 1).clamp(max=window), filled)
    return read, Table(*(old.index_put(where, new) for old, new in zip(table, (*kept, filled))))


def _attend(q: Tensor, k: Tensor, v: Tensor, rounds: list[Round], tables: Stored, before: int, after: int) -> Tensor:
    """Attends from frames (N, T, d) to near frames of the same bucket, and to the stored frames of each round."""
    if q.device.type == FAST_DEVICE:
        return attend_in_rounds(q, k, v, rounds, tables, before, after, SELF_PENALTY)
    parts = []
    for index, one in enumerate(rounds):
        queries, *some_kv = (_rows(part, one.source) for part in (q, k, v))
        if tables:
            where = one.stored[..., None].expand(-1, -1, q.shape[2])
            some_kv = [part.scatter(1, where, old) for part, old in zip(some_kv, tables[index])]
        some_k, some_v = some_kv
        read, total = _in_buckets(queries, some_k, some_v, one.ids, before, after)
        parts.append((_rows(read, one.position), _rows(total, one.position)))
    return _merge(parts)


def _sort(ids: Tensor, stored: int = 0) -> tuple[Round, Tensor]:
    """Sorts (N, L) frames, of which the first `stored` are from a table, by bucket and then by time.

    Returns the round, and the order (N, L).
    """
    order = ids.argsort(dim=1, stable=True)
    position = torch.empty_like(order).scatter_(1, order, torch.arange(ids.shape[1], device=ids.device).expand_as(ids))
    old, new = position.split([stored, ids.shape[1] - stored], dim=1)
    return Round((order - stored).clamp(min=0), new, old, ids.gather(1, order)), order


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """Gathers row n's own indices from x (N, L, d): (N, K) indices give (N, K, d)."""
    first = torch.arange(len(x), device=x.device)[:, None] * x.shape[1]
    return x.flatten(0, 1).index_select(0, (index + first).flatten()).view(*index.shape, x.shape[2])


def _in_buckets(q: Tensor, k: Tensor, v: Tensor, ids: Tensor, before: int, after: int) -> tuple[Tensor, Tensor]:
    """Attends from sorted frames (N, L, d) to near frames of the same bucket, by overlapping blocks as in `banded`.

    Returns the output (N, L, d), and the log of the sum of exponentials (N, L, 1).
    """
    length, reach = q.shape[1], before + after
    block = min(length, max(32, (reach + 1) // 2))
    padding = -length % block
    mine = F.pad(ids, (0, padding), value=-2).unflatten(1, (-1, block))
    theirs = F.pad(ids, (before, after + padding), value=-2).unfold(1, block + reach, block)
    q = F.pad(q, (0, 0, 0, padding)).unflatten(1, (-1, block))
    k, v = (F.pad(part, (0, 0, before, after + padding)).unfold(1, block + reach, block) for part in (k, v))
    ahead = torch.arange(block + reach, device=q.device) - torch.arange(block, device=q.device)[:, None]
    near = (ahead >= 0) & (ahead <= reach)
    scores = q @ k - SELF_PENALTY * (ahead == before)
    scores = scores.masked_fill((mine[..., None] != theirs[:, :, None]) | ~near, -torch.inf)
    total = scores.logsumexp(dim=-1, keepdim=True)
    read = (scores - total).exp() @ v.transpose(2, 3)
    return read.flatten(1, 2)[:, :length], total.flatten(1, 2)[:, :length]


def _merge(rounds: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Merges the outputs of all rounds into one softmax over all keys that they saw."""
    reads, totals = (torch.stack(parts) for parts in zip(*rounds))
    return (totals.softmax(dim=0) * reads).sum(dim=0)
