"""What a backbone of an open kind is made of: a network with its own preprocessing."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.preprocessing import Preprocessing

Network = TypeVar("Network", bound=nn.Module)


class Encoding(NamedTuple):
    """What a network makes of images."""

    pooled: Tensor | None
    """What it pools by itself, (N, D); None: nothing."""
    states: Tensor | None
    """Its last states: tokens (N, T, D), or a map (N, D, H, W) or (N, H, W, D); None: it has none."""


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A network and what its own config says."""

    network: nn.Module
    """Turns normalised images (N, 3, H, W) into an `Encoding`."""
    body: nn.Module
    """The part whose modules `layer` may name."""
    weights: str
    """What a fingerprint says of them."""
    preprocessing: Preprocessing
    patch: int | None = None
    """Pixels between neighbours of the tokens; None: not known, or there are none."""
    window: int = 1
    """Samples that it reads at each sample, as `Backbone.window`: its input is (N, window, 3, H, W) if above 1."""
    own_window: int = 1
    """The window that the model's config says."""


class Plain(nn.Module):
    """Makes an `Encoding` of a network that returns one tensor: vectors (N, D), tokens or a map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Encoding:
        """See the class."""
        made = self.network(images)
        return Encoding(made, None) if made.ndim == 2 else Encoding(None, made)


def with_seed_0(make: Callable[[], Network]) -> Network:
    """Makes a network whose random weights are the same each time, in evaluation mode.

    The caller's random generator stays as it is.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval().requires_grad_(False)


def unknown_model(library: str, model: str, known: Sequence[str], listed_by: str) -> UserError:
    """Makes the error for a model that a library does not have.

    Args:
        library: its name.
        model: the unknown name.
        known: all names.
        listed_by: what lists them in Python.
    """
    near = difflib.get_close_matches(model, known, n=1)
    hint = f" Did you mean '{library}:{near[0]}'?" if near else ""
    return UserError(f"Unknown model '{model}' of {library}.{hint} In Python, {listed_by} lists all {len(known)}.")
