"""How many layers a signal climbs: whether a frame reaches an output, read off gradients and changes."""

import inspect
from collections.abc import Mapping

import torch

from vidseq.heads import HEADS, TemporalHead, make_head

CLIPS = 4
"""Random clips that are read: what a head looks up or writes down differs from clip to clip."""


def first_reaches_last(head: TemporalHead, num_frames: int, seed: int = 0) -> bool:
    """Tells whether the last output depends on the first frame.

    It does where it has a gradient to it, however small, or where it changes when the frame is turned around: a head
    may pass no gradients to what it looks up.

    Args:
        head: in float64, so that what has almost vanished still counts.
        num_frames: length of the clips.
        seed: of the clips.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(CLIPS, num_frames, head.dim, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn(head.dim, generator=generator, dtype=torch.float64)  # the sum of a LayerNorm has no gradient
    (gradient,) = torch.autograd.grad((head(x)[:, -1] @ weight).sum(), x)
    if bool(gradient[:, 0].any()):
        return True
    with torch.no_grad():  # both anew: kernels may round differently when they need no gradients
        turned = torch.cat([-x[:, :1], x[:, 1:]], dim=1)
        return bool((head(turned)[:, -1] != head(x)[:, -1]).any())


def layers_needed(
    name: str, num_frames: int, *, dim: int, options: Mapping[str, object] | None = None, most: int = 64
) -> int | None:
    """Counts the layers that a signal has to climb from the first of some frames to the last output.

    Args:
        name: of the head.
        num_frames: how many frames.
        dim: width.
        options: of the head, other than its layers.
        most: layers to try.

    Returns:
        the least number of layers; 1 for heads that have none to stack; None: not even `most` are enough.
    """
    stacks = "layers" in inspect.signature(HEADS[name].Config).parameters
    for layers in range(1, most + 1 if stacks else 2):
        more = {"layers": layers} if stacks else {}
        torch.manual_seed(0)
        head = make_head(name, dim, {**(options or {}), **more}).double().eval()
        if first_reaches_last(head, num_frames):
            return layers
    return None
