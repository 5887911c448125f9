"""The encoder-decoder temporal convolution head."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import advance, last_valid
from vidseq.ops.convolution import convolve


@dataclass(frozen=True, kw_only=True)
class ConvEncoderConfig(HeadConfig):
    """Options of the conv_encoder head."""

    layers: int = option(3, at_least=1, at_most=16)
    """Levels L, each with half the frame rate of the one below."""
    kernel_size: int = option(9, at_least=1)
    """Frames of its level that a convolution reads; odd if not causal."""
    channels: int = option(64, at_least=1)
    """Width inside."""


class ConvEncoderState(NamedTuple):
    """The latest frames that each level keeps, and the number of frames."""

    encoder_past: Tensor
    """(B, layers, kernel_size - 1, channels): inputs of the encoder's convolutions, oldest first."""
    newest: Tensor
    """(B, layers, channels): the last encoded frame, which may wait for the other half of its pair."""
    coarse: Tensor
    """(B, layers, channels): the last decoded frame of the level above."""
    decoder_past: Tensor
    """Like `encoder_past`, for the decoder."""
    position: Tensor
    """int64 (B,): frames so far, which determines where pairs begin."""


class ConvEncoder(TemporalHead):
    """Convolutions that halve the frame rate level by level, and others that restore it.

        e_l = norm_relu(conv(p_l)),  p_(l+1) = max of pairs of e_l               encoder, l = 0, ..., L - 1
        d_l = norm_relu(conv(each frame of d_(l+1) twice)),  d_L = p_L           decoder, l = L - 1, ..., 0

        level 2           ■               ■          causal: a coarse frame exists once its pair is complete;
        level 1       ■       ■       ■       ■      until then the decoder repeats the frame before
        level 0   ■   ■   ■   ■   ■   ■   ■   ■

    where norm_relu(v) = relu(v) / max of relu(v) over channels.

    Source: Lea et al., arXiv:1611.05267, section 3.1 (ED-TCN). Here: all levels have the same width; the input frame
    is added to the decoder's output. The paper's kernels are centred and its pairs see the future: causal=False.
    Causal: kernels end at the frame and the coarser levels lag behind by at most 2^L - 1 frames. Pairs begin at even
    positions of a counter in the state, so that the head streams exactly. The context of an output depends on its
    position in a pair.
    """

    name = "conv_encoder"
    Config = ConvEncoderConfig
    supports_noncausal = True
    segment_frames = 2048
    config: ConvEncoderConfig

    def __init__(self, config: ConvEncoderConfig) -> None:
        super().__init__(config)
        if not config.causal and config.kernel_size % 2 == 0:
            raise UserError(
                f"conv_encoder head with causal=False expects an odd kernel_size, got {config.kernel_size}."
            )
        self.into = nn.Linear(config.dim, config.channels)
        self.encoder, self.decoder = _convolutions(config), _convolutions(config)
        self.out = nn.Linear(config.channels, config.dim)
        self.last_norm = nn.LayerNorm(config.dim)
        self.dropout = nn.Dropout(config.dropout)

    @property
    def context_frames(self) -> int:
        """Current frame and the furthest past of the frame that sees furthest."""
        levels = range(self.config.layers)
        reach = self.config.kernel_size - 1 if self.config.causal else self.config.kernel_size // 2
        furthest = 0
        for frame in range(1 << len(levels)):
            first = frame
            for _ in levels:
                first -= reach
                first = (first + 1) // 2 - 1 if self.config.causal else first // 2
            for _ in levels:
                first = 2 * first - reach
            furthest = max(furthest, frame - first)
        return 1 + furthest

    def init_state(self, batch_size: int) -> ConvEncoderState:
        """Makes zeros, the padding of a convolution."""
        config, weight = self.config, self.into.weight
        past = weight.new_zeros(batch_size, config.layers, config.kernel_size - 1, config.channels)
        latest = weight.new_zeros(batch_size, config.layers, config.channels)
        position = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        return ConvEncoderState(past, latest, latest.clone(), past.clone(), position)

    def scan(self, x: Tensor, state: ConvEncoderState, mask: Tensor) -> tuple[Tensor, ConvEncoderState]:
        """Reads new frames; see `TemporalHead.scan`."""
        inner, count, masks, odds = self.into(x), state.position, [mask], []
        pasts, latest, coarse, decoder_pasts = [], [], [], []
        for conv, past, last in zip(self.encoder, state.encoder_past.unbind(1), state.newest.unbind(1)):
            pasts.append(advance(past, inner, masks[-1]))
            encoded = self._convolve(conv, torch.cat([past, inner], dim=1))
            latest.append(last_valid(encoded, last, masks[-1]))
            odds.append((count % 2 == 1)[:, None, None])
            inner, pairs = _pool(encoded, last, odds[-1]), (count % 2 + masks[-1].sum(dim=1)) // 2
            masks.append(torch.arange(inner.shape[1], device=x.device) < pairs[:, None])
            count = count // 2
        for level in reversed(range(len(self.decoder))):
            last, past = state.coarse[:, level], state.decoder_past[:, level]
            coarse.append(last_valid(inner, last, masks[level + 1]))
            inner = _repeat(inner, last, odds[level], masks[level].shape[1])
            decoder_pasts.append(advance(past, inner, masks[level]))
            inner = self._convolve(self.decoder[level], torch.cat([past, inner], dim=1))
        new_state = ConvEncoderState(
            torch.stack(pasts, dim=1),
            torch.stack(latest, dim=1),
            torch.stack(coarse[::-1], dim=1),
            torch.stack(decoder_pasts[::-1], dim=1),
            state.position + mask.sum(dim=1),
        )
        return self.last_norm(x + self.out(inner)), new_state

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        half, inner, valid = self.config.kernel_size // 2, self.into(x), [mask]
        for conv in self.encoder:
            inner = F.pad(inner.masked_fill(~valid[-1][..., None], 0), (0, 0, half, half))
            inner = self._convolve(conv, inner).masked_fill(~valid[-1][..., None], 0)
            inner = reduce(F.pad(inner, (0, 0, 0, inner.shape[1] % 2)), "b (t pair) c -> b t c", "max", pair=2)
            valid.append(valid[-1][:, ::2])
        for conv, now in zip(reversed(self.decoder), valid[-2::-1]):
            inner = inner.repeat_interleave(2, dim=1)[:, : now.shape[1]].masked_fill(~now[..., None], 0)
            inner = self._convolve(conv, F.pad(inner, (0, 0, half, half)))
        return self.last_norm(x + self.out(inner))

    def _convolve(self, conv: nn.Linear, x: Tensor) -> Tensor:
        """Applies a convolution and the paper's normalized ReLU: x (B, kernel_size - 1 + T, C) to (B, T, C)."""
        y = F.relu(convolve(x, conv.weight, conv.bias))
        return self.dropout(y / (y.amax(dim=-1, keepdim=True) + 1e-5))


def _convolutions(config: ConvEncoderConfig) -> list[nn.Linear]:
    """Makes one convolution per level."""
    width = config.kernel_size * config.channels
    return cast("list[nn.Linear]", nn.ModuleList(nn.Linear(width, config.channels) for _ in range(config.layers)))


def _pool(x: Tensor, last: Tensor, odd: Tensor) -> Tensor:
    """Takes the maximum of each pair of frames; at an odd position, the first pair begins with the frame before x."""
    pairs = 2 * ((x.shape[1] + 1) // 2)
    all_frames = F.pad(torch.cat([last[:, None], x], dim=1), (0, 0, 0, 1))
    whole = torch.where(odd, all_frames[:, :pairs], all_frames[:, 1 : pairs + 1])
    return whole.unflatten(1, (pairs // 2, 2)).amax(dim=2)


def _repeat(x: Tensor, last: Tensor, odd: Tensor, num_frames: int) -> Tensor:
    """Reverses `_pool`: gives each frame the newest frame of the level above; `last` comes before x."""
    twice = torch.cat([last[:, None], x], dim=1).repeat_interleave(2, dim=1)
    return torch.where(odd, twice[:, 2 : num_frames + 2], twice[:, 1 : num_frames + 1])
