"""Counts the floating-point operations of a head while it runs."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from vidseq.heads.base import TemporalHead


def _recurrence(x: Tensor, input_weight: Tensor, hidden_weight: Tensor, *rest: object, **options: object) -> int:
    """Counts torch's fused CPU recurrence: a product with both weights at every frame. x: (T, B, D)."""
    return 2 * x.shape[0] * x.shape[1] * (input_weight.numel() + hidden_weight.numel())


def _attention(
    query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0, is_causal: bool = False, **options: object
) -> int:
    """Counts torch's fused CPU attention: scores and weighted sums of all allowed pairs."""
    batch, heads, num_queries, width = query.shape
    pairs = num_queries * key.shape[2]
    if is_causal:
        pairs = num_queries * (num_queries + 1) // 2
    return 2 * batch * heads * pairs * (width + value.shape[3])


_ATEN = torch.ops.aten
#: Fused CPU kernels that torch's own counter does not count.
HIDDEN_KERNELS: Mapping[Any, Callable[..., int]] = {
    _ATEN.mkldnn_rnn_layer: _recurrence,
    _ATEN._scaled_dot_product_flash_attention_for_cpu: _attention,
}


class FlopCounter(TorchDispatchMode):
    """Context manager that counts floating-point operations; a product and a sum count as two.

    It counts matrix products, convolutions and attention, with torch's own formulas and `HIDDEN_KERNELS`. It does not
    count elementwise operations (gates, norms, softmax, the additions of a parallel scan), sorting and copying.
    Torch's FlopCounterMode misses the kernels above, and fails on modules that run without gradients inside modules
    with gradients; a test compares both counters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_kernel: Counter[Any] = Counter()

    @property
    def flops(self) -> int:
        """Number of operations counted."""
        return self.by_kernel.total()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operation and counts it; torch calls this hook."""
        options = kwargs or {}
        result = func(*args, **options)
        kernel = func._overloadpacket
        if kernel in HIDDEN_KERNELS:
            self.by_kernel[kernel] += HIDDEN_KERNELS[kernel](*args, **options)
        elif kernel in flop_registry:
            self.by_kernel[kernel] += int(flop_registry[kernel](*args, **options, out_val=result))
        return result


def flops_a_frame(head: TemporalHead, frames: int) -> float:
    """Counts the floating-point operations per frame of a head that reads a whole video at once.

    Args:
        head: any head; its weights do not matter.
        frames: number of frames of the video; full attention costs more per frame for longer videos.

    Returns:
        operations per frame, see `FlopCounter` for what counts.
    """
    weight = next(head.parameters(), torch.empty(0))
    training = head.training
    with torch.no_grad(), FlopCounter() as counter:
        head.eval()(weight.new_zeros(1, frames, head.dim))
    head.train(training)
    return counter.flops / frames
