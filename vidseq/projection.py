"""From features to the head's input, and what a question sees of the newest frame.

Features come without a token axis, (T, F), or with one, (T, N, F): N places of a picture, such as the cells of a grid.
"""

import abc
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from vidseq.language.question import QuestionEncoder

#: Share of the numbers of places that memory does without in training, each for a whole clip: they are many, and are
#: easily learnt by heart.
PLACE_DROPOUT = 0.3

#: A feature further from its mean than this many standard deviations counts as this far.
MAX_DEVIATIONS = 10.0


#: A channel that hardly changes within a video is not blown up: this share of its training deviation is added.
MIN_DEVIATION = 0.1


def divisor_of(std: Tensor) -> Tensor:
    """What features are divided by: their standard deviation, or 1 for constants."""
    return torch.where(std > 1e-6, std, 1.0)


def standardise(features: Tensor, mean: Tensor, divisor: Tensor) -> Tensor:
    """Features (..., F) as deviations from a mean, (F,), in parts of `divisor_of`; none is beyond `MAX_DEVIATIONS`."""
    return ((features - mean) / divisor).clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)


class Projected(NamedTuple):
    """Frames as the model reads them."""

    x: Tensor
    """The head's input, (..., D)."""
    tokens: Tensor
    """The tokens of each frame, (..., N, E); N is 0 for features without a token axis."""


class Projection(nn.Module, abc.ABC):
    """Features to the head's width: standardised by the training features, then mixed.

    Args:
        shape: of one frame's features, (F,) or (N, F).
    """

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("std", torch.ones(shape))
        self.mean: Tensor
        self.std: Tensor

    def standardise_by(self, mean: Tensor, std: Tensor) -> None:
        """Sets the training features' mean and standard deviation, of a frame's shape; constants are not scaled."""
        self.mean.copy_(mean)
        self.std.copy_(divisor_of(std))

    def standardise(self, features: Tensor) -> Tensor:
        """Features of any number of frames to the same shape."""
        return standardise(features, self.mean, self.std)

    @abc.abstractmethod
    def forward(self, features: Tensor) -> Projected:
        """Features of frames, (B, T, F) or (B, T, N, F), to (B, T, D) and tokens (B, T, N, E)."""


class FrameProjection(Projection):
    """Features without a token axis: normalised and mixed.

    Args:
        feature_dim: width F of the features.
        dim: width D of the head.
        dropout: share of output channels dropped in training.
        feature_dropout: share of feature channels dropped in training, each for a whole clip.
    """

    def __init__(self, feature_dim: int, dim: int, *, dropout: float, feature_dropout: float) -> None:
        super().__init__(feature_dim)
        self.layers = nn.Sequential(
            nn.LayerNorm(feature_dim),
            ClipDropout(feature_dropout),
            nn.Linear(feature_dim, dim),
            nn.Dropout(dropout),
        )

    def forward(self, features: Tensor) -> Projected:
        """See `Projection.forward`."""
        x = self.layers(self.standardise(features))
        return Projected(x, x.new_zeros(*x.shape[:-1], 0, x.shape[-1]))


class TokenProjection(Projection):
    """Features with a token axis: a network that all places share, a position each, and K learned queries.

    For tokens, all places are standardised by one mean and deviation of each channel, so that what is learnt of one
    place holds at all others: a place that is seldom visited has a small deviation of its own, which would blow up
    each visitor.

    Each learned query takes a weighted mean of a frame's tokens. The K means and the features of every place make
    the head's input. No question is involved, so that a stream can be read before it is asked.

    The means learn slowly where to look, so that what is small never reaches memory. A linear map of all places learns
    it from the first step on. There each place has a mean and an overall deviation of its own, so that what happens
    where little happens is not a small number. Wide features are made narrower first, by one linear map that all
    places share.

    Source: a few learned tokens a frame as in Ryoo et al., arXiv:2106.11297.

    Args:
        shape: (N, F): places of a frame, and the width of their features.
        dim: width D of the head.
        token_dim: width E of a token.
        token_queries: learned queries K.
        place_dim: numbers of each place that reach the head, place by place; 0: none.
        dropout: share of output channels dropped in training.
        feature_dropout: share of feature channels dropped in training, each for a whole clip.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dim: int,
        *,
        token_dim: int,
        token_queries: int,
        place_dim: int,
        dropout: float,
        feature_dropout: float,
    ) -> None:
        super().__init__(*shape)
        self.network = nn.Sequential(
            ClipDropout(feature_dropout),
            nn.Linear(shape[1], 2 * token_dim),
            nn.GELU(),
            nn.Linear(2 * token_dim, token_dim),
        )
        self.position = nn.Parameter(torch.randn(shape[0], token_dim) * 0.1)
        self.norm = nn.LayerNorm(token_dim)
        self.keys = nn.Linear(token_dim, token_queries)
        self.place_bias = nn.Parameter(torch.randn(shape[0], token_queries))
        self.mix = nn.Sequential(nn.Linear(token_queries * token_dim, dim), nn.Dropout(dropout))
        self.places = (
            nn.Sequential(
                nn.Linear(shape[1], place_dim) if place_dim < shape[1] else nn.Identity(),
                nn.Flatten(-2),
                ClipDropout(PLACE_DROPOUT),
                nn.Linear(shape[0] * min(place_dim, shape[1]), dim, bias=False),
                nn.Dropout(dropout),
            )
            if place_dim
            else None
        )
        if place_dim:
            self.register_buffer("place_mean", torch.zeros(shape))
            self.register_buffer("place_share", torch.ones(shape[0], 1))
        self.place_mean: Tensor
        self.place_share: Tensor

    def standardise_by(self, mean: Tensor, std: Tensor) -> None:
        """Sets one mean and deviation of each channel, of all places together; see `Projection.standardise_by`.

        Where memory reads places, it also sets the mean of each, and its deviation as a share of that of all places.
        """
        shared = mean.mean(dim=0, keepdim=True)
        variance = (std.square() + (mean - shared).square()).mean(dim=0, keepdim=True)
        super().standardise_by(shared.expand_as(mean), variance.sqrt().expand_as(std))
        if self.places is not None:
            self.place_mean.copy_(mean)
            shares = std / divisor_of(variance.sqrt())
            self.place_share.copy_(divisor_of(shares.square().mean(dim=1, keepdim=True).sqrt()))

    def forward(self, features: Tensor) -> Projected:
        """See `Projection.forward`."""
        standard = self.standardise(features)
        tokens = self.norm(self.network(standard) + self.position)
        weights = (self.keys(tokens) + self.place_bias).softmax(dim=-2)  # (B, T, N, K)
        x = self.mix((weights.transpose(-1, -2) @ tokens).flatten(-2))
        if self.places is not None:
            x = x + self.places(standardise(features, self.place_mean, self.place_share * self.std))
        return Projected(x, tokens)


class Look(nn.Module):
    """What a question sees of one frame: it attends to the frame's tokens.

    Args:
        dim: width D of queries and answers.
        token_dim: width E of the tokens.
        heads: attention heads.
    """

    def __init__(self, dim: int, token_dim: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, heads * token_dim)
        self.out = nn.Linear(heads * token_dim, dim, bias=False)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """Looks.

        Args:
            queries: (..., Q, D).
            tokens: of the frame that they see, (..., N, E); all zero: no frame.

        Returns:
            (..., Q, D); zero where there is no frame.
        """
        return self.out(self.read(queries, tokens))

    def read(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """What each head sees, before they are mixed.

        Args:
            queries: (..., Q, D), or (Q, D), which all frames share.
            tokens: (..., N, E).

        Returns:
            (..., Q, heads E).
        """
        q = self.query(queries).unflatten(-1, (self.heads, -1)).flatten(-3, -2)  # (..., Q heads, E)
        weights = (tokens @ q.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(dim=-2)
        return (weights.transpose(-1, -2) @ tokens).unflatten(-2, (-1, self.heads)).flatten(-2)


class StandingQuestions(nn.Module):
    """Questions that are asked at every frame, whatever a user asks later; memory keeps what they see.

    A question finds what it asks for, such as the name on the tag of the child in red. Sums over places that are made
    before any question is known lose such pairs, and what they lose never reaches memory.

    Source: queries that stand while data come, Terry et al., Continuous queries over append-only databases, 1992.

    Args:
        texts: the questions' word indices, long (Q, W), 0 behind the last word.
        dim: width D of the head.
        token_dim: width E of the tokens.
        heads: attention heads of the look.
    """

    def __init__(self, texts: Tensor, dim: int, token_dim: int, heads: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(heads * token_dim, token_dim, bias=False)
        self.keep = nn.Linear(len(texts) * token_dim, dim, bias=False)
        nn.init.zeros_(self.keep.weight)
        self.scale = 1 / math.sqrt(len(texts))
        self.register_buffer("texts", texts, persistent=False)
        self.texts: Tensor
        self.register_buffer("vectors", None, persistent=False)
        self.vectors: Tensor | None

    def prepare(self, encoder: QuestionEncoder) -> None:
        """Encodes the questions once, for frames that are read without gradients."""
        self.vectors = encoder(self.texts, steady=True)

    def forward(self, encoder: QuestionEncoder, look: Look, tokens: Tensor) -> Tensor:
        """Tokens of frames (..., N, E) to what is added to the head's input, (..., D)."""
        known = None if self.training or torch.is_grad_enabled() else self.vectors
        seen = look.read(encoder(self.texts, steady=True) if known is None else known, tokens)
        return self.keep(self.narrow(seen).flatten(-2) * self.scale)


class ClipDropout(nn.Module):
    """Drops channels of a whole clip at a time, so that a video's usual look cannot be learnt by heart.

    Source: Gal and Ghahramani, arXiv:1512.05287 (one mask for all times).

    Args:
        share: of channels dropped in training.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, ..., F) to the same shape."""
        if not self.training or self.share == 0:
            return x
        kept = torch.rand(x.shape[0], *[1] * (x.ndim - 2), x.shape[-1], device=x.device) >= self.share
        return x * (kept / (1 - self.share)).to(x.dtype)


def level_videos(features: Tensor, mask: Tensor | None, mean: Tensor, std: Tensor) -> Tensor:
    """Gives the features of each video a mean and a deviation, channel by channel.

    A CNN that was fitted to the training videos has weaker outputs on others, and videos differ in light and scene.

    Args:
        features: of whole videos, (B, T, ...).
        mask: bool (B, T), True = valid; None: all valid.
        mean: the wanted mean of each channel, (...).
        std: the wanted deviation of each channel, above 0.

    Returns:
        features of the same shape, zero where invalid.
    """
    if mask is None:
        mask = torch.ones(features.shape[:2], dtype=torch.bool, device=features.device)
    valid = mask.view(*mask.shape, *[1] * (features.ndim - 2))
    count = valid.sum(dim=1, keepdim=True).clamp(min=1)
    centre = features.masked_fill(~valid, 0).sum(dim=1, keepdim=True) / count
    off = (features - centre).masked_fill(~valid, 0)
    own = (off.square().sum(dim=1, keepdim=True) / count).sqrt()
    return (mean + off / (own + MIN_DEVIATION * std) * std).masked_fill(~valid, 0)


def pool_frames(features: Tensor, mask: Tensor | None, stride: int) -> tuple[Tensor, Tensor | None]:
    """Averages each `stride` frames of a video; the last ones may be fewer.

    Args:
        features: (B, T, ...).
        mask: bool (B, T), True = valid, a row's valid frames first; None: all valid.
        stride: at least 1.

    Returns:
        features (B, ceil(T / stride), ...), zero where no frame is valid, and their mask; None: all valid.
    """
    batch, num_frames, *shape = features.shape
    valid = features.new_ones(batch, num_frames) if mask is None else mask.to(features.dtype)
    missing = -num_frames % stride
    steps = (num_frames + missing) // stride
    weights = functional.pad(valid, (0, missing)).view(batch, steps, stride)
    whole = features if mask is None else features.masked_fill(~mask.view(batch, num_frames, *[1] * len(shape)), 0)
    padded = functional.pad(whole, (0, 0) * len(shape) + (0, missing))
    count = weights.sum(dim=2)
    mean = padded.view(batch, steps, stride, *shape).sum(dim=2) / count.clamp(min=1).view(
        batch, steps, *[1] * len(shape)
    )
    return mean, None if mask is None else count > 0
