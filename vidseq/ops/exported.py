"""What a step that is exported may not decide by values: it is traced once, and then runs for all of them.

Such a step reads one frame, which is valid, with a state whose shapes never change. So where values allow a shorter
way, it takes the general one.
"""

import torch
from torch import Tensor


def is_exporting() -> bool:
    """Whether torch traces a step for export."""
    return torch.compiler.is_exporting()


def all_true(condition: Tensor) -> bool:
    """Whether a condition holds everywhere, which allows a shorter way; False where a step is exported."""
    return not is_exporting() and bool(condition.all())


def all_valid(mask: Tensor) -> bool:
    """Whether all new frames of a mask (B, T) are valid; True where a step is exported."""
    return is_exporting() or bool(mask.all())


def largest(counts: Tensor, most: int) -> int:
    """The largest of counts (B,), 0 of none; where a step is exported, the most that they can be."""
    if is_exporting():
        return most
    return int(counts.max()) if len(counts) else 0
