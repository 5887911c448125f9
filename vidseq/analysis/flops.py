"""Counts what a head computes: the products of matrices, as they run."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from vidseq.heads.base import TemporalHead


def _recurrence(x: Tensor, input_weight: Tensor, hidden_weight: Tensor, *rest: object, **options: object) -> int:
    """What torch's fused CPU recurrence hides: a product with both weights at every frame. x: (T, B, D)."""
    return 2 * x.shape[0] * x.shape[1] * (input_weight.numel() + hidden_weight.numel())


def _attention(
    query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0, is_causal: bool = False, **options: object
) -> int:
    """What torch's fused CPU attention hides: scores and their weighted sum, of the pairs that may meet."""
    batch, heads, num_queries, width = query.shape
    pairs = num_queries * key.shape[2]
    if is_causal:
        pairs = num_queries * (num_queries + 1) // 2
    return 2 * batch * heads * pairs * (width + value.shape[3])


_ATEN = torch.ops.aten
#: Fused CPU kernels that torch's own counter does not know.
HIDDEN_KERNELS: Mapping[Any, Callable[..., int]] = {
    _ATEN.mkldnn_rnn_layer: _recurrence,
    _ATEN._scaled_dot_product_flash_attention_for_cpu: _attention,
}


class FlopCounter(TorchDispatchMode):
    """Adds up floating-point operations while it is entered; a product and a sum count as two.

    Counted are products of matrices, convolutions and attention, by torch's own formulas and `HIDDEN_KERNELS`. Not
    counted: what is done number by number (gates, norms, softmax, the additions of a parallel scan), sorting, copying.
    Torch's FlopCounterMode is not used since it misses the kernels above and fails on modules that run without
    gradients inside of ones that have them; a test compares both.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_kernel: Counter[Any] = Counter()

    @property
    def flops(self) -> int:
        """All that was counted."""
        return self.by_kernel.total()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Torch's hook: runs an operation and counts it."""
        options = kwargs or {}
        result = func(*args, **options)
        kernel = func._overloadpacket
        if kernel in HIDDEN_KERNELS:
            self.by_kernel[kernel] += HIDDEN_KERNELS[kernel](*args, **options)
        elif kernel in flop_registry:
            self.by_kernel[kernel] += int(flop_registry[kernel](*args, **options, out_val=result))
        return result


def flops_a_frame(head: TemporalHead, frames: int) -> float:
    """Floating-point operations of a head that reads a whole video at once, a frame.

    Args:
        head: any; its weights do not matter.
        frames: of the video; attention to all of the past costs more, the longer it is.

    Returns:
        see `FlopCounter` for what counts.
    """
    weight = next(head.parameters())
    training = head.training
    with torch.no_grad(), FlopCounter() as counter:
        head.eval()(weight.new_zeros(1, frames, head.dim))
    head.train(training)
    return counter.flops / frames
