"""The subjects of `benchmark_heads.py`: heads of vidseq, and well-known implementations to compare them with.

Each is one layer with its projections on videos x (B, T, 256), with four attention heads if it uses attention. The
feed-forward networks are left out, because most peers have none. A peer is wrapped as our heads are, y = norm(x +
peer(norm(x))), so that both do the same work around it.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq import UserError
from vidseq.heads import HEADS, TemporalHead, make_head, num_parameters
from vidseq.heads.layers.transformer import TransformerBlock

HEADS_WIDE = 4
WINDOW = 128
FROM_SCRATCH = "all frames in sight anew"
"""A peer without a state, which reads the whole context again for each live frame."""
STREAMED = ("nn.LSTM", "nn.GRU", "nn.RNN", FROM_SCRATCH)
"""Peers whose live frames are measured too."""
CALLS = 200
"""Number of live frames in one measurement."""


@dataclass(frozen=True)
class Peer:
    """A peer of a head, and target factors by which the head is faster at T = 16,384."""

    name: str
    """A key of `PEERS` or `OURS`."""
    forward: float | None = None
    both: float | None = None
    """Forward and backward."""
    step: float | None = None
    """A live frame."""


@dataclass(frozen=True)
class BenchmarkedHead:
    """A head in the form that is measured."""

    head: str
    peers: tuple[Peer, ...]
    options: Mapping[str, object] = field(default_factory=dict)
    causal: bool = True
    tokens_read: bool = False
    """Whether global tokens read all frames in the only layer; heads skip this in their last layer."""
    forward_mib: float | None = None
    """Target for the memory of forward at T = 16,384, without the input, in MiB."""
    floor: Callable[[int, int], float] | None = None
    """Maps T and D to the least number of multiplications and additions."""
    live_only: bool = False
    """Whether only live frames are measured."""

    def make(self, dim: int) -> nn.Module:
        """Makes the untrained head, without its feed-forward networks."""
        head = make_head(self.head, dim, self.options, causal=self.causal)
        for module in head.modules():
            if isinstance(module, TransformerBlock):
                setattr(module, "feed_forward", _nothing)  # noqa: B010  # a method is no attribute for mypy
                setattr(module, "finish", module.add_attention)  # noqa: B010
        return WithTokens(head) if self.tokens_read else head


def _nothing(x: Tensor) -> Tensor:
    return x.new_zeros(()).expand_as(x)


class WithTokens(nn.Module):
    """A one-layer head whose global tokens read all frames, as a peer's do; it returns them before the frames."""

    def __init__(self, head: TemporalHead) -> None:
        super().__init__()
        self.head: Any = head

    def forward(self, x: Tensor) -> Tensor:
        """Reads x (B, T, D)."""
        everyone = torch.ones(x.shape[:2], dtype=torch.bool)
        y, tokens = self.head.layer_noncausal(0, x, self.head.tokens.expand(len(x), -1, -1), everyone)
        return self.head.last_norm(torch.cat([tokens, y], dim=1))


class FromScratch(nn.Module):
    """A head without a state, which reads the whole context again for each live frame."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        assert isinstance(head, TemporalHead) and head.context_frames is not None
        self.head, self.frames = head, head.context_frames

    def forward(self, x: Tensor) -> Tensor:
        """Reads the last of the frames x (B, T, D)."""
        return self.head(x[:, -self.frames :])[:, -1:]


class Slot(nn.Module):
    """The norms and the residual connection that our heads have around a layer."""

    def __init__(self, dim: int, layer: nn.Module) -> None:
        super().__init__()
        self.norm, self.layer, self.last_norm = nn.LayerNorm(dim), layer, nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Reads x (B, T, D)."""
        return self.last_norm(x + self.layer(self.norm(x)))


class Projected(nn.Module):
    """An attention function between projections."""

    def __init__(self, dim: int, attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.attend = attend

    def forward(self, x: Tensor) -> Tensor:
        """Reads x (B, T, D)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS_WIDE, -1)).permute(2, 0, 3, 1, 4)
        return self.out(self.attend(q, k, v).transpose(1, 2).flatten(2))


class Called(nn.Module):
    """A module of another package with a function that calls it."""

    def __init__(self, module: nn.Module, call: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.module, self.call = module, call

    def forward(self, x: Tensor) -> Tensor:
        """Reads x (B, T, D)."""
        return self.call(self.module, x)


class Bare(nn.Module):
    """nn.LSTM with the number of parameters of a head; it has no `Slot`, because its width differs."""

    def __init__(self, dim: int, parameters: int) -> None:
        super().__init__()
        width = next(width for width in range(1, 16 * dim) if 4 * width * (dim + width + 2) >= parameters)
        self.kernel = nn.LSTM(dim, width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Reads x (B, T, D)."""
        return self.kernel(x)[0]


class Segments(nn.Module):
    """Transformer-XL's attention from XLNet of transformers: segments of 512 frames that see the 512 before."""

    def __init__(self, dim: int, length: int = 512) -> None:
        super().__init__()
        package = _package("transformers.models.xlnet.modeling_xlnet")
        config = _package("transformers").XLNetConfig(d_model=dim, n_head=HEADS_WIDE, d_inner=dim, dropout=0.0)
        self.layer, self.length, self.dim = package.XLNetRelativeAttention(config), length, dim
        with torch.no_grad():
            for parameter in self.layer.parameters():  # the package does not initialise all of them
                parameter.normal_(std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Reads x (B, T, D); the layer has its own residual connection and norm."""
        segments, memory = x.transpose(0, 1).split(self.length), x.new_empty(0, len(x), self.dim)
        read = []
        for segment in segments:
            keys = len(memory) + len(segment)
            distance = torch.arange(keys, -len(segment), -1.0)[:, None]
            angles = distance * 10_000.0 ** (-torch.arange(0, self.dim, 2.0) / self.dim)
            positions = torch.cat([angles.sin(), angles.cos()], dim=-1)[:, None].expand(-1, len(x), -1)
            ahead = torch.ones(len(segment), keys).triu(1 + len(memory))[:, :, None, None]
            read.append(self.layer(segment, None, ahead, None, positions, None, mems=memory)[0])
            memory = segment.detach()
        return torch.cat(read).transpose(0, 1)


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"This peer expects the package '{name.split('.')[0]}', got {error}. Install vidseq with its test extra."
        ) from error


def _dense(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def _local(dim: int, frames: int, parameters: int) -> nn.Module:
    module = _package("local_attention").LocalAttention(
        window_size=WINDOW, causal=True, exact_windowsize=True, autopad=True, dim=dim // HEADS_WIDE
    )
    return Slot(dim, Projected(dim, module))


def _longformer(dim: int, frames: int, parameters: int, num_global: int = 0) -> nn.Module:
    package = _package("transformers.models.longformer.modeling_longformer")
    config = _package("transformers").LongformerConfig(
        hidden_size=dim,
        num_attention_heads=HEADS_WIDE,
        attention_window=[2 * WINDOW],
        attention_probs_dropout_prob=0.0,
    )

    def call(layer: Any, x: Tensor) -> Tensor:
        mask = x.new_zeros(x.shape[:2])
        mask[:, :num_global] = 10_000.0
        return layer(x, mask, mask < 0, mask > 0, num_global > 0)[0]

    return Slot(dim, nn.Sequential(Called(package.LongformerSelfAttention(config, 0), call), nn.Linear(dim, dim)))


def _longformer_global(dim: int, frames: int, parameters: int) -> nn.Module:
    return _longformer(dim, frames, parameters, num_global=16)


def _big_bird(dim: int, frames: int, parameters: int) -> nn.Module:
    package = _package("transformers.models.big_bird.modeling_big_bird")
    config = _package("transformers").BigBirdConfig(
        hidden_size=dim, num_attention_heads=HEADS_WIDE, max_position_embeddings=frames, block_size=64, use_bias=False
    )

    def call(layer: Any, x: Tensor) -> Tensor:
        blocked, band, from_mask, to_mask = package.BigBirdModel.create_masks_for_block_sparse_attn(
            x.new_ones(x.shape[:2]), 64
        )
        return layer(x, band, from_mask, to_mask, blocked, blocked)[0]

    layer = package.BigBirdBlockSparseAttention(config, seed=0)
    return Slot(dim, nn.Sequential(Called(layer, call), nn.Linear(dim, dim, bias=False)))


def _reformer(dim: int, frames: int, parameters: int, causal: bool = False) -> nn.Module:
    package = _package("transformers.models.reformer.modeling_reformer")
    config = _package("transformers").ReformerConfig(
        hidden_size=dim,
        num_attention_heads=HEADS_WIDE,
        attention_head_size=dim // HEADS_WIDE,
        num_hashes=4,
        num_buckets=16,
        lsh_attn_chunk_length=64,
        is_decoder=causal,
        lsh_attention_probs_dropout_prob=0.0,
    )
    layer = Called(package.LSHSelfAttention(config), lambda layer, x: layer(x).hidden_states)
    return Slot(dim, nn.Sequential(layer, nn.Linear(dim, dim, bias=False)))


def _causal_reformer(dim: int, frames: int, parameters: int) -> nn.Module:
    return _reformer(dim, frames, parameters, causal=True)


def _performer(dim: int, frames: int, parameters: int, causal: bool = False) -> nn.Module:
    layer = _package("performer_pytorch").SelfAttention(
        dim, causal=causal, heads=HEADS_WIDE, dim_head=dim // HEADS_WIDE, nb_features=256
    )
    return Slot(dim, layer)


def _causal_performer(dim: int, frames: int, parameters: int) -> nn.Module:
    return _performer(dim, frames, parameters, causal=True)


def _tcn(dim: int, frames: int, parameters: int) -> nn.Module:
    layer = _package("pytorch_tcn").TCN(
        dim, [64] * 10, kernel_size=3, dropout=0.0, causal=True, input_shape="NLC", output_projection=dim
    )
    return Slot(dim, layer)


def _first(kernel: nn.Module) -> nn.Module:
    return Called(kernel, lambda kernel, x: kernel(x)[0])


PEERS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "dense SDPA": lambda dim, *_: Slot(dim, Projected(dim, _dense)),
    "local-attention": _local,
    "Longformer of transformers": _longformer,
    "Longformer of transformers, 16 global": _longformer_global,
    "BigBird of transformers": _big_bird,
    "Reformer of transformers": _reformer,
    "Reformer of transformers, causal": _causal_reformer,
    "XLNet of transformers in segments": lambda dim, *_: Segments(dim),
    "performer-pytorch": _performer,
    "performer-pytorch, causal": _causal_performer,
    "linformer package": lambda dim, frames, _: Slot(
        dim, _package("linformer").LinformerSelfAttention(dim, frames, k=256, heads=HEADS_WIDE)
    ),
    "minGRU-pytorch": lambda dim, *_: Slot(dim, _package("minGRU_pytorch").minGRU(dim)),
    "pytorch-tcn": _tcn,
    "nn.LSTM": lambda dim, *_: Slot(dim, _first(nn.LSTM(dim, dim, batch_first=True))),
    "nn.GRU": lambda dim, *_: Slot(dim, _first(nn.GRU(dim, dim, batch_first=True))),
    "nn.RNN": lambda dim, *_: Slot(dim, _first(nn.RNN(dim, dim, batch_first=True))),
    FROM_SCRATCH: lambda dim, *_: FromScratch(BENCHMARKED_HEADS["window, 4,096 frames"].make(dim)),
    "nn.LSTM of the same size": lambda dim, _, parameters: Bare(dim, parameters),
}
"""The peers by name; each maps D, T and the head's number of parameters to a module."""


def _window_floor(frames: int, dim: int) -> float:
    return frames * (2 * 4 * dim**2 + 2 * 2 * WINDOW * dim)


_LSTM = (Peer("nn.LSTM of the same size"),)
_SDPA = (Peer("dense SDPA"),)

BENCHMARKED_HEADS: dict[str, BenchmarkedHead] = {
    "attention": BenchmarkedHead("attention", _SDPA, {"layers": 1}),
    "window": BenchmarkedHead(
        "window",
        (Peer("dense SDPA", forward=11), Peer("local-attention", forward=2.4)),
        {"window": WINDOW, "layers": 1},
        floor=_window_floor,
    ),
    "window, both sides": BenchmarkedHead(
        "window",
        (Peer("Longformer of transformers", forward=3, both=4),),
        {"window": WINDOW + 1, "layers": 1},
        causal=False,
    ),
    "window, 4,096 frames": BenchmarkedHead(
        "window", (Peer(FROM_SCRATCH, step=400),), {"window": 4096, "layers": 1}, live_only=True
    ),
    "dilated": BenchmarkedHead(
        "dilated",
        (Peer("window", forward=1 / 1.2, both=1 / 1.2),),
        {"window": WINDOW, "layers": 1, "dilation": 4},
    ),
    "longformer": BenchmarkedHead(
        "longformer",
        (Peer("Longformer of transformers, 16 global", forward=3.5),),
        {"window": WINDOW + 1, "layers": 1, "num_global": 16, "global_questions": True},
        causal=False,
        tokens_read=True,
    ),
    "big_bird": BenchmarkedHead(
        "big_bird",
        (Peer("BigBird of transformers", forward=9, both=4.5),),
        {"layers": 1, "num_global": 128},  # two global blocks of 64, as the peer's
        causal=False,
        tokens_read=True,
        forward_mib=300,
    ),
    "reformer": BenchmarkedHead(
        "reformer", (Peer("Reformer of transformers, causal"),), {"layers": 1, "window": 128, "rounds": 4}
    ),
    "reformer, both sides": BenchmarkedHead(
        "reformer",
        (Peer("Reformer of transformers", forward=2.5),),
        {"layers": 1, "window": 64, "rounds": 4},
        causal=False,
    ),
    "performer": BenchmarkedHead(
        "performer", (Peer("performer-pytorch, causal", forward=9, both=12),), {"layers": 1}, forward_mib=100
    ),
    "performer, both sides": BenchmarkedHead("performer", (Peer("performer-pytorch"),), {"layers": 1}, causal=False),
    "linformer": BenchmarkedHead("linformer", (Peer("linformer package"),), {"layers": 1}),
    "linformer, both sides": BenchmarkedHead(
        "linformer", (Peer("linformer package", forward=2.4),), {"layers": 1}, causal=False
    ),
    "transformer_xl": BenchmarkedHead(
        "transformer_xl", (Peer("XLNet of transformers in segments", forward=2.5),), {"layers": 1, "memory": 512}
    ),
    "compressive": BenchmarkedHead("compressive", _SDPA, {"layers": 1}),
    "memorizing": BenchmarkedHead("memorizing", _SDPA, {"layers": 1, "memory_layer": 1}),
    "retro": BenchmarkedHead("retro", _SDPA, {"layers": 1}),
    "memory_network": BenchmarkedHead("memory_network", _SDPA),
    "min_gru": BenchmarkedHead("min_gru", (Peer("minGRU-pytorch", forward=5, both=3.5),), {"layers": 1}),
    "ssm": BenchmarkedHead("ssm", (Peer("minGRU-pytorch"),), {"layers": 1}),
    "associative": BenchmarkedHead("associative", (Peer("minGRU-pytorch"),), {"layers": 1}),
    "lstm": BenchmarkedHead("lstm", (Peer("nn.LSTM", forward=1 / 1.05, both=1 / 1.05, step=4),), {"layers": 1}),
    "gru": BenchmarkedHead("gru", (Peer("nn.GRU", both=3),), {"layers": 1}),
    "rnn": BenchmarkedHead("rnn", (Peer("nn.RNN"),), {"layers": 1}),
    "conv": BenchmarkedHead("conv", (Peer("pytorch-tcn", forward=1.5, both=1.5),), {"layers": 10, "channels": 64}),
    "conv_encoder": BenchmarkedHead("conv_encoder", (Peer("pytorch-tcn"),)),
    "ms_tcn": BenchmarkedHead("ms_tcn", (Peer("pytorch-tcn"),)),
    "memory": BenchmarkedHead("memory", (Peer("nn.LSTM of the same size", both=1 / 3),), {"layers": 1}),
    "entity": BenchmarkedHead("entity", (Peer("nn.LSTM of the same size", both=1 / 3),), {"layers": 1}),
    "hyper": BenchmarkedHead("hyper", _LSTM, {"layers": 1}),
    "codebook": BenchmarkedHead("codebook", _LSTM, {"layers": 1}),
}
"""Every head in the form that is measured; `BenchmarkedHead.peers` may name another of these."""

BENCHMARKED_HEADS = {name: benchmarked for name, benchmarked in BENCHMARKED_HEADS.items() if benchmarked.head in HEADS}
for _head in HEADS:
    if _head not in {benchmarked.head for benchmarked in BENCHMARKED_HEADS.values()}:
        BENCHMARKED_HEADS[_head] = BenchmarkedHead(_head, _SDPA)


def make_subject(name: str, head: str, dim: int, frames: int) -> nn.Module:
    """Makes the head or peer called `name`; a peer is made for a comparison with `head` on `frames` frames."""
    torch.manual_seed(0)
    if name in BENCHMARKED_HEADS:
        return BENCHMARKED_HEADS[name].make(dim)
    return PEERS[name](dim, frames, num_parameters(BENCHMARKED_HEADS[head].make(dim)))
