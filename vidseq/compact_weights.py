"""Weights in a quarter of their bytes, for models that ship: whole numbers of 8 bits, and a scale for each row.

The error of a weight is at most a 254th of the largest in its row. Small tensors are kept in half precision.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

#: A matrix with fewer numbers is kept in half precision, since it costs little.
SMALLEST_MATRIX = 1024

_SCALE = ".scale"
_LARGEST = 127


def pack(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Makes weights compact.

    Args:
        weights: tensors of any shape, by name.

    Returns:
        int8 matrices with their scales, (rows, 1, ...), under `NAME.scale`; other floating point tensors as float16;
        the rest as it is.
    """
    packed = {}
    for name, part in weights.items():
        if not part.is_floating_point():
            packed[name] = part
        elif part.ndim < 2 or part.numel() < SMALLEST_MATRIX:
            packed[name] = part.half()
        else:
            scale = _scale(part)
            packed[name], packed[name + _SCALE] = (part.float() / scale).round().to(torch.int8), scale
    return packed


def unpack(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undoes `pack`; weights that are not compact come back as they are.

    Raises:
        ValueError: a scale is missing, or does not fit.
    """
    weights = {}
    for name, part in packed.items():
        if part.dtype == torch.int8:
            scale = packed.get(name + _SCALE)
            if scale is None or scale.shape != (len(part), *[1] * (part.ndim - 1)):
                raise ValueError(f"{name} expects a scale for each of its {len(part)} rows")
            weights[name] = part * scale
        elif not _is_scale(name, packed):
            weights[name] = part
    return weights


def _is_scale(name: str, packed: Mapping[str, Tensor]) -> bool:
    of = packed.get(name.removesuffix(_SCALE)) if name.endswith(_SCALE) else None
    return of is not None and of.dtype == torch.int8


def _scale(part: Tensor) -> Tensor:
    largest = part.float().abs().flatten(1).amax(dim=1).view(-1, *[1] * (part.ndim - 1))
    return torch.where(largest > 0, largest / _LARGEST, torch.ones(()))
