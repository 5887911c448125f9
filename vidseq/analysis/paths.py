"""Counts the layers that a signal passes: whether the first frame reaches the last output, by gradient or change."""

import inspect
from collections.abc import Mapping

import torch

from vidseq.heads import HEADS, TemporalHead, make_head

CLIPS = 4
"""Number of random clips: what a head retrieves or stores differs from clip to clip."""


def first_reaches_last(head: TemporalHead, num_frames: int, seed: int = 0) -> bool:
    """Whether the last output depends on the first frame.

    It does if its gradient to that frame is not zero, however small, or if it changes when the frame's sign is
    flipped: a head may pass no gradient to retrieved frames.

    Args:
        head: a head in float64, so that very small gradients count.
        num_frames: length of the clips.
        seed: seed of the clips.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(CLIPS, num_frames, head.dim, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn(head.dim, generator=generator, dtype=torch.float64)  # the sum of a LayerNorm has no gradient
    (gradient,) = torch.autograd.grad((head(x)[:, -1] @ weight).sum(), x)
    if bool(gradient[:, 0].any()):
        return True
    with torch.no_grad():  # computes both again, because kernels may round differently without gradients
        turned = torch.cat([-x[:, :1], x[:, 1:]], dim=1)
        return bool((head(turned)[:, -1] != head(x)[:, -1]).any())


def layers_needed(
    name: str, num_frames: int, *, dim: int, options: Mapping[str, object] | None = None, most: int = 64
) -> int | None:
    """Counts the layers that a signal needs from the first frame to the last output.

    Args:
        name: name of the head.
        num_frames: number of frames.
        dim: width.
        options: options of the head other than its number of layers.
        most: largest number of layers to try.

    Returns:
        the least number of layers; 1 for heads without layers to stack; None if not even `most` suffice.
    """
    stacks = "layers" in inspect.signature(HEADS[name].Config).parameters
    for layers in range(1, most + 1 if stacks else 2):
        more = {"layers": layers} if stacks else {}
        torch.manual_seed(0)
        head = make_head(name, dim, {**(options or {}), **more}).double().eval()
        if first_reaches_last(head, num_frames):
            return layers
    return None
