"""The multi-stage temporal convolution head."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import advance
from vidseq.heads.layers.conv import ConvLayer
from vidseq.ops.places import PlacedQueries


@dataclass(frozen=True, kw_only=True)
class MSTCNConfig(HeadConfig):
    """Options of the ms_tcn head."""

    stages: int = option(4, at_least=1)
    """Networks of convolutions; each refines the result of the one before it."""
    layers: int = option(10, at_least=1, at_most=24)
    """Convolutions of a stage, with dilations 1, 2, 4, ..."""
    kernel_size: int = option(3, at_least=1)
    """Frames that a convolution reads; odd if not causal."""
    channels: int = option(64, at_least=1)
    """Width inside."""
    labels: int = option(16, at_least=2)
    """Soft labels of a frame: all that a stage sees of the one before it."""


class MSTCNState(NamedTuple):
    """The latest inputs of every layer, as many as its convolution needs."""

    past: Tensor
    """(B, stages, sum over layers of (kernel_size - 1) * dilation, channels), layer by layer, oldest first."""


class Stage(nn.Module):
    """One network of dilated convolutions, x (B, T, width) -> (B, T, D)."""

    def __init__(self, config: MSTCNConfig, width: int) -> None:
        super().__init__()
        self.into = nn.Linear(width, config.channels)
        layers = (ConvLayer(config.channels, config.kernel_size, 2**index) for index in range(config.layers))
        self.layers = cast("list[ConvLayer]", nn.ModuleList(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(config.channels) for _ in self.layers)
        self.out = nn.Linear(config.channels, config.dim)
        self.dropout = nn.Dropout(config.dropout)

    @property
    def reaches(self) -> list[int]:
        """Frames that each layer reads besides the current one."""
        return [layer.reach for layer in self.layers]

    def forward(self, x: Tensor, past: Tensor, mask: Tensor, queries: PlacedQueries) -> tuple[Tensor, Tensor, Tensor]:
        """Reads new frames after the past (B, sum of reaches, C); also returns the new past and the answers (N, D)."""
        inner, asked, new_pasts = self.into(x), self.into(queries.vectors), []
        for norm, layer, before in zip(self.norms, self.layers, past.split(self.reaches, dim=1)):
            normed = norm(inner)
            seen = torch.cat([before, normed], dim=1)
            inner = inner + self.dropout(layer(seen))
            if len(asked):
                asked = asked + self.dropout(layer.answer(norm(asked), seen, queries.places))
            new_pasts.append(advance(before, normed, mask))
        return self.out(inner), torch.cat(new_pasts, dim=1), self.out(asked)

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos, with kernels centred on the frame."""
        inner = self.into(x)
        for norm, layer in zip(self.norms, self.layers):
            normed = norm(inner).masked_fill(~mask[..., None], 0)
            inner = inner + self.dropout(layer(F.pad(normed, (0, 0, layer.reach // 2, layer.reach // 2))))
        return self.out(inner)


class MSTCN(TemporalHead):
    """Stages of dilated convolutions: each corrects the labels of the one before it and sees only those labels.

        h     = h + mix(relu(sum_k W_k norm(h)_(t - k d) + b)),    d = 1, 2, 4, ...       a layer of a stage
        y_1   = x + stage_1(x)
        y_s   = y_(s-1) + stage_s(softmax(V_s y_(s-1)))

        x ──stage 1──► y_1 ──labels──stage 2──► y_2 ──labels──stage 3──► ...
                        └───────────────────(+)──┘

    Source: Abu Farha and Gall, arXiv:1903.01945, section 3, eq. 1 to 5. Here: a head gives D features and not classes,
    so a stage adds to the features of the one before; its soft labels are learned without a loss of their own; a
    LayerNorm before each convolution. The paper's stages see the future: causal=False. Causal: kernels end at the
    frame, so the head streams exactly.
    """

    name = "ms_tcn"
    Config = MSTCNConfig
    supports_noncausal = True
    fixed_context = True
    asks_in_one_pass = True
    config: MSTCNConfig

    def __init__(self, config: MSTCNConfig) -> None:
        super().__init__(config)
        if not config.causal and config.kernel_size % 2 == 0:
            raise UserError(f"ms_tcn head with causal=False expects an odd kernel_size, got {config.kernel_size}.")
        stages = (Stage(config, config.labels if index else config.dim) for index in range(config.stages))
        self.stages = cast("list[Stage]", nn.ModuleList(stages))
        self.labels = nn.ModuleList(nn.Linear(config.dim, config.labels) for _ in range(config.stages - 1))
        self.last_norm = nn.LayerNorm(config.dim)

    @property
    def context_frames(self) -> int:
        """Current frame and the reach of all layers; not causal: half of the reach lies in the future."""
        reach = len(self.stages) * sum(self.stages[0].reaches)
        return 1 + (reach if self.config.causal else reach // 2)

    @property
    def segment_frames(self) -> int:
        """At least as many frames as a stage keeps, because each segment copies them."""
        return max(2048, sum(self.stages[0].reaches))

    def init_state(self, batch_size: int) -> MSTCNState:
        """Makes zeros, the padding of a convolution."""
        config, reach = self.config, sum(self.stages[0].reaches)
        return MSTCNState(self.last_norm.weight.new_zeros(batch_size, config.stages, reach, config.channels))

    def scan(self, x: Tensor, state: MSTCNState, mask: Tensor) -> tuple[Tensor, MSTCNState]:
        """Reads new frames; see `TemporalHead.scan`."""
        y, new_state, _ = self.scan_with_queries(x, state, mask, PlacedQueries.none(x))
        return y, new_state

    def scan_with_queries(
        self, x: Tensor, state: MSTCNState, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, MSTCNState, Tensor]:
        """Reads new frames and answers queries; see `TemporalHead.scan_with_queries`."""
        y, (asked, places), new_pasts = x, queries, []
        for index, (stage, past) in enumerate(zip(self.stages, state.past.unbind(1))):
            some = PlacedQueries(self._seen(index, asked), places)
            added, new_past, answers = stage(self._seen(index, y), past, mask, some)
            y, asked = y + added, asked + answers
            new_pasts.append(new_past)
        return self.last_norm(y), MSTCNState(torch.stack(new_pasts, dim=1)), self.last_norm(asked)

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        y = x
        for index, stage in enumerate(self.stages):
            y = y + stage.forward_noncausal(self._seen(index, y), mask)
        return self.last_norm(y)

    def _seen(self, index: int, y: Tensor) -> Tensor:
        """Returns a stage's input: the frames, or the soft labels of the stage before."""
        return self.labels[index - 1](y).softmax(dim=-1) if index else y
