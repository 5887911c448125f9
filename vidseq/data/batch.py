"""Pads sequences on the right with zeros, and makes the masks of valid frames."""

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
        features: sequences (T_i, D), or (T_i, N, D) with tokens, with the same N and D; T_i may be 0.

    Returns:
        x (B, T, D) or (B, T, N, D) with T the longest length and zeros as padding, and its mask, bool (B, T), True =
        valid.

    Raises:
        ValueError: there is no sequence, or the widths or tokens differ.
    """
    dims = {tuple(item.shape[1:]) for item in features}
    if len(dims) != 1 or any(item.ndim not in (2, 3) for item in features):
        shapes = ", ".join(str(tuple(item.shape)) for item in features) or "none"
        raise ValueError(f"pad_features expects sequences (T, D) or (T, N, D) of one width, got {shapes}.")
    lengths = torch.tensor([len(item) for item in features], device=features[0].device)
    x = torch.nn.utils.rnn.pad_sequence(list(features), batch_first=True)
    return x, lengths_to_mask(lengths, x.shape[1])


def pad_labels(labels: Sequence[Tensor], ignore: int = -100) -> Tensor:
    """Pads class indices of frames to one length.

    Args:
        labels: class indices of each sequence, (T_i,), long.
        ignore: value of padded frames, which losses leave out.

    Returns:
        long (B, T) with T the longest length.
    """
    return torch.nn.utils.rnn.pad_sequence(list(labels), batch_first=True, padding_value=ignore)
