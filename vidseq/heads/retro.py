"""The RETRO head: it reads each chunk of a video together with the most similar chunks of the past."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.features.fingerprint import Fingerprint
from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import advance
from vidseq.heads.layers.cross_attention import CrossAttention
from vidseq.heads.layers.transformer import TransformerBlock, check_heads
from vidseq.ops.banded import banded_attention
from vidseq.ops.nearest import find_nearest
from vidseq.ops.rotary import rotary_angles
from vidseq.retrieval import EmbeddedDatabase, check_search


@dataclass(frozen=True, kw_only=True)
class RetroConfig(HeadConfig):
    """Options of the retro head."""

    chunk: int = option(16, at_least=1)
    """Frames m of a chunk."""
    neighbours: int = option(2, at_least=1)
    """Chunks k that are retrieved with each chunk."""
    window: int = option(128, at_least=1)
    """Frames that every layer sees without retrieval, the current one included."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another, each with chunked cross-attention."""
    encoder_layers: int = option(1, at_least=1)
    """Transformer blocks that read a neighbour."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""
    database: str = ""
    """Folder of a database of other videos to retrieve from, with the same chunk; "": the video's own past."""
    search: str = "exact"
    """Search method of the database: exact, faiss or faiss_ivf."""


class RetroState(NamedTuple):
    """The window of every layer, the frames that retrieval still needs, and the neighbours of the last whole chunk."""

    keys: Tensor
    """(B, layers, heads, window - 1, width), rotated to their positions, oldest first."""
    values: Tensor
    """Like `keys`."""
    frames: Tensor
    """(B, S, D): all frames so far; with a database, those since the last whole chunk. S is that of the row that needs
    most; a row's own come first."""
    neighbours: Tensor
    """Encoded, (B, k, 2 m, D)."""
    found: Tensor
    """bool (B, k): which of them exist."""
    position: Tensor
    """int64 (B,): frames so far, which is the position of the next one."""
    group: Tensor
    """int64 (B,): group whose chunks must not be retrieved, because they are of the same video; -1: none."""


class Retro(TemporalHead):
    """A window transformer that retrieves, for each chunk of m frames, the k most similar chunks C_j of the past.

        RET(C_u) = [C_j, C_(j+1)] for the k chunks j <= u - 2 of least |mean(C_j) - mean(C_u)|
        E_u      = encoder(RET(C_u))                                        each neighbour alone, in both directions
        x        = x + CCA(x, E)    the last frame of chunk u and all but the last of chunk u + 1 attend to E_u
        x        = block(x)         attention within the window, then a network

        chunks      ├── u = 0 ──┼── u = 1 ──┼── u = 2 ──┼── u = 3 ──┤        m = 4
        frames      ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■
        attend to   ·  ·  · ├── E_0 ──┼── E_1 ──┼── E_2 ──┼─ E_3            each retrieved when its chunk is complete

    So an output depends on no later frame. Gradients do not pass the keys, but they pass the retrieved frames.

    With a `database`, chunks of other videos are retrieved instead, none of the video's own group, and the state stays
    as small as a window. The database keeps raw features, and the head sees projected ones. So the model embeds it
    with its own projection (`prepare`), before each epoch and after loading, and keys are compared in that space. In
    between, keys and retrieved chunks are constants, as old as the last epoch.

    Source: Borgeaud et al., arXiv:2112.04426, sections 2.3 to 2.5, algorithm 1; embedding again from time to time: Guu
    et al., arXiv:2002.08909, section 3.3. Here: without a database, the video's own past is one. A chunk's key is the
    mean of its frames, not the output of a frozen BERT. Attention sees a window, not the whole past. Every layer has
    CCA, before its block and not inside. The encoder does not attend to the querying chunk, so it encodes a neighbour
    once for all layers. Rotary positions.
    """

    name = "retro"
    Config = RetroConfig
    config: RetroConfig

    def __init__(self, config: RetroConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        check_search(config.search)
        dim, heads, dropout, network = config.dim, config.heads, config.dropout, config.network
        blocks = (TransformerBlock(dim, heads, dropout, network) for _ in range(config.layers))
        encoder = (TransformerBlock(dim, heads, dropout, network) for _ in range(config.encoder_layers))
        crossings = (CrossAttention(dim, heads, dropout) for _ in range(config.layers))
        self.blocks = cast("list[TransformerBlock]", nn.ModuleList(blocks))
        self.encoder = cast("list[TransformerBlock]", nn.ModuleList(encoder))
        self.crossings = cast("list[CrossAttention]", nn.ModuleList(crossings))
        self.encoder_norm = nn.LayerNorm(dim)
        self.last_norm = nn.LayerNorm(dim)
        self._width = dim // heads
        self.database: EmbeddedDatabase | None = None
        if config.database:
            self.database = EmbeddedDatabase(config.database, config.search, config.chunk)

    @property
    def context_frames(self) -> int | None:
        """No limit. With a database: the layers' windows, one chunk, and the frames that read its neighbours."""
        if self.database is None:
            return None
        return self.config.layers * (self.config.window - 1) + 2 * self.config.chunk - 1

    def prepare(self, project: Callable[[Tensor], Tensor], fingerprint: Fingerprint | None) -> None:
        """Embeds the database; see `TemporalHead.prepare`."""
        if self.database is not None:
            self.database.embed(project, self.last_norm.weight, fingerprint)

    def name_videos(self, state: RetroState, videos: Sequence[str]) -> RetroState:
        """Excludes the videos' own groups from retrieval; see `TemporalHead.name_videos`."""
        if self.database is None:
            return state
        return state._replace(group=self.database.group_indices(videos, state.group.device))

    def init_state(self, batch_size: int) -> RetroState:
        """Makes an empty past."""
        return self._state_after(batch_size, 0)

    def _state_after(self, batch_size: int, frames: int) -> RetroState:
        config, weight = self.config, self.last_norm.weight
        window = (batch_size, config.layers, config.heads, config.window - 1, self._width)
        return RetroState(
            keys=weight.new_zeros(window),
            values=weight.new_zeros(window),
            frames=weight.new_zeros(batch_size, self._num_stored(frames), config.dim),
            neighbours=weight.new_zeros(batch_size, config.neighbours, 2 * config.chunk, config.dim),
            found=torch.zeros(batch_size, config.neighbours, dtype=torch.bool, device=weight.device),
            position=torch.full((batch_size,), frames, dtype=torch.int64, device=weight.device),
            group=torch.full((batch_size,), -1, dtype=torch.int64, device=weight.device),
        )

    def _num_stored(self, position: Any) -> Any:
        """Returns the frames in the state after `position` frames: an int, or one per row."""
        return position if self.database is None else position % self.config.chunk

    def scan(self, x: Tensor, state: RetroState, mask: Tensor) -> tuple[Tensor, RetroState]:
        """Reads new frames; see `TemporalHead.scan`."""
        chunk, num_frames = self.config.chunk, x.shape[1]
        position = state.position + mask.sum(dim=1)
        held = self._num_stored(state.position)
        frames = _append(state.frames, held, x)
        # Distance of the first new frame from the end of the last whole chunk, where its neighbours are first read.
        offset = state.position % chunk + 1
        num_new = (int(offset.max()) + num_frames - 1) // chunk if len(x) else 0
        neighbours, found = self._retrieve(frames, held // chunk, num_new, state.group)
        neighbours = torch.cat([state.neighbours[:, None], neighbours], dim=1)
        found = torch.cat([state.found[:, None], found], dim=1)
        y, keys, values = self._run_layers(x, state, mask, offset, neighbours, found)
        row, last = torch.arange(len(x), device=x.device), position // chunk - state.position // chunk
        new_state = RetroState(
            keys=keys,
            values=values,
            frames=_last_frames(frames, held + mask.sum(dim=1), self._num_stored(position)),
            neighbours=neighbours[row, last],
            found=found[row, last],
            position=position,
            group=state.group.clone(),
        )
        return y, new_state

    def _run_layers(
        self, x: Tensor, state: RetroState, mask: Tensor, offset: Tensor, neighbours: Tensor, found: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Runs all layers; returns y, and the keys and values of the new windows."""
        past, num_frames = self.config.window - 1, x.shape[1]
        positions = state.position[:, None] + torch.arange(num_frames, device=x.device)
        angles = rotary_angles(positions, self._width)[:, None]
        in_past = torch.arange(past, device=x.device) >= past - state.position[:, None]
        valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
        keys, values = [], []
        for index, (block, crossing) in enumerate(zip(self.blocks, self.crossings)):
            x = x + crossing.attend_chunks(x, offset, neighbours, found)
            q, k, v = block.project(x, angles)
            old_k, old_v = state.keys[:, index], state.values[:, index]
            read = banded_attention(q, torch.cat([old_k, k], dim=2), torch.cat([old_v, v], dim=2), valid, past)
            x = block.finish(x, read)
            keys.append(advance(old_k, k, mask, dim=2))
            values.append(advance(old_v, v, mask, dim=2))
        return self.last_norm(x), torch.stack(keys, dim=1), torch.stack(values, dim=1)

    def _retrieve(self, frames: Tensor, first: Tensor, num_new: int, group: Tensor) -> tuple[Tensor, Tensor]:
        """Retrieves neighbours for the new chunks of frames (B, N, D), from each row's chunk `first` (B,) on.

        Returns encoded neighbours (B, new, k, 2 m, D), and which of them exist, bool (B, new, k).
        """
        batch, num_frames, dim = frames.shape
        chunk, count = self.config.chunk, self.config.neighbours
        whole = num_frames // chunk
        if not num_new or not whole or not batch:
            found = torch.zeros(batch, num_new, count, dtype=torch.bool, device=frames.device)
            return frames.new_zeros(*found.shape, 2 * chunk, dim), found
        chunks = frames[:, : whole * chunk].unflatten(1, (whole, chunk))
        keys = chunks.detach().mean(dim=2, dtype=torch.promote_types(frames.dtype, torch.float32))
        index = (first[:, None] + torch.arange(num_new, device=frames.device)).clamp(max=whole - 1)
        queries = keys.gather(1, index[..., None].expand(-1, -1, dim))
        if self.database is not None:
            neighbours, found = self.database.retrieve(queries, group, count)
            return self._encode(neighbours), found
        found = find_similar(keys, queries, first, count)
        pair = torch.stack([found, found + 1], dim=-1).clamp(0, whole - 1)
        row = torch.arange(batch, device=frames.device)[:, None, None, None]
        return self._encode(chunks[row, pair].flatten(3, 4)), found >= 0

    def _encode(self, neighbours: Tensor) -> Tensor:
        """Encodes retrieved chunks (..., 2 m, D) to what frames attend to, of the same shape."""
        x = neighbours.flatten(0, -3)
        angles = rotary_angles(torch.arange(x.shape[1], device=x.device), self._width)[None, None]
        for block in self.encoder:
            x = block.finish(x, F.scaled_dot_product_attention(*block.project(x, angles)))
        return self.encoder_norm(x).view_as(neighbours)


@torch.no_grad()
def find_similar(keys: Tensor, queries: Tensor, first: Tensor, count: int) -> Tensor:
    """Finds the chunks j <= u - 2 nearest to each new chunk u.

    Args:
        keys: of all chunks, (B, C, D).
        queries: keys of the new ones, (B, new, D).
        first: int64 (B,), index of the first new chunk of each row.
        count: chunks to find.

    Returns:
        indices of chunks, int64 (B, new, count), -1 for none.
    """
    # |q - k|^2 is least where q.k - |k|^2 / 2 is largest, a product of longer vectors.
    keys = torch.cat([keys, keys.square().sum(-1, keepdim=True) / -2], dim=-1)[:, None]
    queries = F.pad(queries, (0, 1), value=1.0)[:, None]
    return find_nearest(queries, keys, torch.zeros_like(first), first - 1, reach=keys.shape[2], count=count)[:, 0]


def _append(past: Tensor, length: Tensor, new: Tensor) -> Tensor:
    """Appends new frames (B, T, D) to the first `length` (B,) of past (B, S, D): (B, S + T, D)."""
    both = torch.cat([past, new], dim=1)
    at = torch.arange(both.shape[1], device=past.device).expand(both.shape[:2])
    gap = past.shape[1] - length[:, None]
    if not bool(gap.any()):
        return both
    index = torch.where(at < length[:, None], at, (at + gap).clamp(max=both.shape[1] - 1))
    return both.gather(1, index[..., None].expand_as(both))


def _last_frames(frames: Tensor, length: Tensor, count: Tensor) -> Tensor:
    """Returns the last `count` (B,) of the first `length` (B,) frames of each row, at its start, zero behind them."""
    size = int(count.max()) if len(count) else 0
    at = torch.arange(size, device=frames.device)
    index = (at + (length - count)[:, None]).clamp(max=frames.shape[1] - 1)
    return frames.gather(1, index[..., None].expand(-1, -1, frames.shape[2])).where(
        (at < count[:, None])[..., None], 0
    )
