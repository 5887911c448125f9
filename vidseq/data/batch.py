"""Padding and masks, decided once: sequences stand left, zeros fill up on the right, a mask marks what is valid."""

from collections.abc import Sequence

import torch
from torch import Tensor


def lengths_to_mask(lengths: Tensor, num_frames: int) -> Tensor:
    """Marks the frames that exist in a right-padded batch.

    Args:
        lengths: valid frames of each sequence, (B,).
        num_frames: padded length T.

    Returns:
        bool (B, T), True where a frame is valid.

    Raises:
        ValueError: a length is negative or above `num_frames`.
    """
    if lengths.ndim != 1 or bool((lengths < 0).any()) or bool((lengths > num_frames).any()):
        raise ValueError(f"lengths_to_mask expects lengths (B,) from 0 to {num_frames}, got {lengths.tolist()}.")
    return torch.arange(num_frames, device=lengths.device) < lengths[:, None]


def pad_features(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Pads sequences of frames to one length.

    Args:
        features: each (T_i, D), one D; T_i may be 0.

    Returns:
        x (B, T, D), T the longest, zero where padded, and its mask, bool (B, T), True = valid.

    Raises:
        ValueError: there are none, or their widths differ.
    """
    dims = {tuple(item.shape[1:]) for item in features}
    if len(dims) != 1 or any(item.ndim != 2 for item in features):
        shapes = ", ".join(str(tuple(item.shape)) for item in features) or "none"
        raise ValueError(f"pad_features expects sequences (T, D) of one width, got {shapes}.")
    lengths = torch.tensor([len(item) for item in features], device=features[0].device)
    x = torch.nn.utils.rnn.pad_sequence(list(features), batch_first=True)
    return x, lengths_to_mask(lengths, x.shape[1])


def pad_labels(labels: Sequence[Tensor], ignore: int = -100) -> Tensor:
    """Pads class indices of frames to one length.

    Args:
        labels: each (T_i,), long.
        ignore: what stands where there is no frame; losses leave it out.

    Returns:
        long (B, T), T the longest.
    """
    return torch.nn.utils.rnn.pad_sequence(list(labels), batch_first=True, padding_value=ignore)
