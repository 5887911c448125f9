"""The heads whose layers stand on one another in a residual stack."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

from vidseq.heads.base import TemporalHead
from vidseq.heads.layers.blocks import SEGMENT, Layer, ResidualStack
from vidseq.ops.places import PlacedQueries


class StackedHead(TemporalHead):
    """A head of equal layers in a residual stack. A subclass is final and sets `State` and `stack`.

    It asks in one pass: a layer gives its state at all places of queries, and each query reads that of its place as
    the next frame.
    """

    State: ClassVar[type[Any]]
    """NamedTuple of the layers' tensors, each (B, layers, ...)."""
    supports_noncausal = True
    asks_in_one_pass = True
    context_frames = None
    segment_frames = SEGMENT

    stack: ResidualStack
    """From `make_stack`."""

    def make_stack(self, make_layer: Callable[[], Layer], layers: int) -> ResidualStack:
        """Makes the stack of a head with this config.

        Args:
            make_layer: makes an untrained layer.
            layers: number of layers.
        """
        config = self.config
        ahead, back = ([make_layer() for _ in range(count)] for count in (layers, 0 if config.causal else layers))
        return ResidualStack(config.dim, ahead, dropout=config.dropout, backward=back)

    def init_state(self, batch_size: int) -> Any:
        """Makes the first states of all layers; see `TemporalHead.init_state`."""
        return self.State(*self.stack.init_state(batch_size))

    def scan(self, x: Tensor, state: Any, mask: Tensor) -> tuple[Tensor, Any]:
        """Reads new frames; see `TemporalHead.scan`."""
        y, new_state = self.stack(x, state, mask)
        return y, self.State(*new_state)

    def scan_with_queries(
        self, x: Tensor, state: Any, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, Any, Tensor]:
        """Reads new frames and answers queries; see `TemporalHead.scan_with_queries`."""
        y, new_state, answers = self.stack.read_with_queries(x, state, mask, queries)
        return y, self.State(*new_state), answers

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        return self.stack.forward_noncausal(x, mask)
