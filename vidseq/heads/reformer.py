"""The hashing attention head."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.transformer import TransformerBlock, check_heads
from vidseq.ops.lsh import Table, causal_lsh_attention, hash_buckets, lsh_attention
from vidseq.ops.reversible import Step, run_reversibly
from vidseq.ops.rotary import rotary_angles, rotate

SEGMENT = 2048
"""Frames that are projected at a time."""


@dataclass(frozen=True, kw_only=True)
class ReformerConfig(HeadConfig):
    """Options of the reformer head."""

    buckets: int = option(16, at_least=2)
    """Buckets of a round of hashing; even."""
    rounds: int = option(4, at_least=1)
    """Rounds of hashing: the more, the less likely that two similar frames never share a bucket."""
    window: int = option(32, at_least=1)
    """Frames W of its bucket that a frame sees per round; not causal: as many on the other side."""
    reversible: bool = False
    """True: the backward pass recomputes the layers' inputs instead of storing them, for twice the forward's time."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""


class ReformerState(NamedTuple):
    """The latest frames of every bucket in every layer, and the number of frames."""

    keys: Tensor
    """(B, layers, heads, rounds, buckets, window, width), rotated, the newest last; zeros where there are fewer."""
    values: Tensor
    """Like `keys`."""
    filled: Tensor
    """int64 (B, layers, heads, rounds, buckets): frames in each bucket, at most W."""
    position: Tensor
    """int64 (B,): frames so far, which is the position of the next one."""


class Reformer(TemporalHead):
    """A transformer whose frames attend to similar frames of any age, which hashing finds.

        k_t = q_t / |q_t|,  h_r(q) = argmax([q R_r; -q R_r])          queries are keys; R_r random: round r
        y_t = softmax over all rounds r of q_t . k_j,  h_r(q_j) = h_r(q_t), the W latest j < t

        frames   a b c d e f g h i       bucket 1 │ a c f │
        buckets  1 2 1 3 3 1 2 3 3       bucket 2 │ b g │            i sees h, e, d; f sees c and a
                                         bucket 3 │ d e h i │

    Source: Kitaev et al., arXiv:2001.04451: hashing: section 2, eq. 4 and 5; rounds: eq. 6; shared queries and keys,
    and a frame that sees itself only if it is alone: section 2. Here: the paper cuts sorted frames into chunks, and a
    frame sees its own chunk and the one before. The chunk borders depend on every frame's bucket, later ones too. So
    chunks over a whole clip cannot stream exactly, and even their causal form depends on the future. Instead a frame
    sees its nearest W in sorted order. With `causal=True` this streams exactly: the state is a hash table of the
    latest W of each bucket, and frames of a rare kind stay for ever. Not causal: W on either side, over the whole
    clip. q is hashed before it is rotated. As in the authors' code, scores are not divided by sqrt(d), and a frame
    found in two rounds counts twice. R is drawn once, from a fixed seed. With `reversible` (section 3) both streams
    begin as x and end as their mean. Cost: T log T + T W d.
    end as their mean. Cost: T log T + T W d.
    """

    name = "reformer"
    Config = ReformerConfig
    supports_noncausal = True
    context_frames = None
    config: ReformerConfig
    rotations: Tensor

    def __init__(self, config: ReformerConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        if config.buckets % 2:
            raise UserError(f"reformer head expects an even number of buckets, got {config.buckets}.")
        if config.reversible and config.dropout:
            raise UserError(
                f"reformer head with reversible=True expects dropout 0, got {config.dropout}. "
                f"Recomputed layers must give the same values. Use dropout 0 or reversible=False."
            )
        self._width = config.dim // config.heads
        dim, heads, network = config.dim, config.heads, config.network
        blocks = (TransformerBlock(dim, heads, config.dropout, network) for _ in range(config.layers))
        self.blocks = cast("list[TransformerBlock]", nn.ModuleList(blocks))
        for block in self.blocks:
            block.qkv = nn.Linear(config.dim, 2 * config.dim, bias=False)  # queries are keys
        self.last_norm = nn.LayerNorm(config.dim)
        shape = (config.layers, config.heads, config.rounds, self._width, config.buckets // 2)
        self.register_buffer("rotations", torch.randn(shape, generator=torch.Generator().manual_seed(0)))

    @property
    def segment_frames(self) -> int:
        """Several times as many frames as the state keeps, because each segment sorts those again."""
        return max(4096, 8 * self.config.buckets * self.config.window)

    def init_state(self, batch_size: int) -> ReformerState:
        """Makes empty buckets."""
        config, weight = self.config, self.last_norm.weight
        shape = (batch_size, config.layers, config.heads, config.rounds, config.buckets)
        keys = weight.new_zeros(*shape, config.window, self._width)
        filled = torch.zeros(shape, dtype=torch.int64, device=weight.device)
        position = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        return ReformerState(keys, keys.clone(), filled, position)

    def scan(self, x: Tensor, state: ReformerState, mask: Tensor) -> tuple[Tensor, ReformerState]:
        """Reads new frames; see `TemporalHead.scan`."""
        angles = self._angles(state.position[:, None] + torch.arange(x.shape[1], device=x.device))
        old = [tuple(part[:, index] for part in state[:3]) for index in range(len(self.blocks))]

        def attend(index: int, x: Tensor, *table: Tensor) -> tuple[Tensor, ...]:
            q, k, v, buckets = self._project(index, x, angles)
            with torch.autocast(x.device.type, enabled=False):
                read, new = causal_lsh_attention(q, k, v, buckets, mask, Table(*(_like(p, q) for p in table)))
            return read.to(x.dtype), *(part.to(old.dtype) for part, old in zip(new, table))

        y, tables = self._run(x, attend, old)
        keys, values, filled = (torch.stack(parts, dim=1) for parts in zip(*tables))
        return y, ReformerState(keys, values, filled, state.position + mask.sum(dim=1))

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        angles = self._angles(torch.arange(x.shape[1], device=x.device)[None])

        def attend(index: int, x: Tensor) -> tuple[Tensor, ...]:
            parts = x.split(SEGMENT, dim=1), angles.split(SEGMENT, dim=2)
            projected = map(functools.partial(self._project, index), *parts)
            *qkv, buckets = zip(*projected)
            q, k, v = (torch.cat(parts, dim=2) for parts in qkv)
            with torch.autocast(x.device.type, enabled=False):
                read = lsh_attention(q, k, v, torch.cat(buckets, 3), self.config.buckets, mask, self.config.window)
            return (read.to(x.dtype),)

        return self._run(x, attend, [()] * len(self.blocks))[0]

    def _run(
        self, x: Tensor, attend: Callable[..., tuple[Tensor, ...]], old: list[tuple[Tensor, ...]]
    ) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        """Runs all layers, with plain or with reversible residual connections."""
        if self.config.reversible:
            steps = [
                Step(
                    functools.partial(self._merged, attend, index), block.feed_forward, part, tuple(block.parameters())
                )
                for index, (block, part) in enumerate(zip(self.blocks, old))
            ]
            y, new = run_reversibly(steps, x)
            return self.last_norm(y), new
        new = []
        for index, (block, part) in enumerate(zip(self.blocks, old)):
            read, *table = attend(index, x, *part)
            parts = zip(x.split(SEGMENT, dim=1), read.split(SEGMENT, dim=2))
            x = torch.cat([block.finish(*both) for both in parts], dim=1)
            new.append(tuple(table))
        return self.last_norm(x), new

    def _merged(
        self, attend: Callable[..., tuple[Tensor, ...]], index: int, x: Tensor, *table: Tensor
    ) -> tuple[Tensor, ...]:
        """Returns a layer's output before the residual connection, which reversible layers add themselves."""
        read, *new = attend(index, x, *table)
        return self.blocks[index].project_output(read), *new

    def _project(self, index: int, x: Tensor, angles: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Projects to queries, keys (both rotated), values and buckets, at least in single precision."""
        block = self.blocks[index]
        qv = rearrange(block.qkv(block.attention_norm(x)), "b t (two h d) -> two b h t d", two=2, h=block.heads)
        q, v = qv.to(torch.promote_types(x.dtype, torch.float32)).unbind()
        with torch.autocast(x.device.type, enabled=False):
            buckets = hash_buckets(q.detach(), self.rotations[index].to(q.dtype))
        q = rotate(q, angles)
        return q, F.normalize(q, dim=-1), v, buckets

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]


def _like(part: Tensor, other: Tensor) -> Tensor:
    """Casts floating-point tensors to another's dtype, and leaves counts as they are."""
    return part.to(other.dtype) if part.is_floating_point() else part
