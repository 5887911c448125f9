import math

import pytest
import torch
import torch.nn.functional as F
from references import rotated
from torch import Tensor

from vidseq.errors import UserError
from vidseq.heads import Compressive, make_head

SMALL: dict[str, object] = {"layers": 2, "heads": 2, "block": 4, "memory": 8, "compressed": 6, "rate": 2}


def make(**options: object) -> Compressive:
    torch.manual_seed(0)
    head = make_head("compressive", 8, SMALL | options)
    assert isinstance(head, Compressive)
    if head.config.learned:
        torch.nn.init.normal_(head.compressions, std=0.3)
    return head.double()


def layer_reference(head: Compressive, index: int, x: Tensor) -> Tensor:
    """Algorithm 1, with lists: both memories are queues; x is (T, D)."""
    config, block, reads = head.config, head.blocks[index], []
    normed, (to_q, to_k, to_v) = block.attention_norm(x), block.qkv.weight.chunk(3)
    memory: list[tuple[Tensor, float]] = []
    compressed: list[tuple[Tensor, float]] = []
    for start in range(0, len(x), config.block):
        frames = [(normed[t], float(t)) for t in range(start, min(start + config.block, len(x)))]
        for last in range(1, len(frames) + 1):
            seen = [*compressed, *memory, *frames[:last]]
            query = rotated((to_q @ frames[last - 1][0]).view(2, 4), start + last - 1)
            keys = torch.stack([rotated((to_k @ row).view(2, 4), at) for row, at in seen])  # type: ignore[arg-type]
            values = torch.stack([(to_v @ row).view(2, 4) for row, _ in seen])
            weights = ((keys * query).sum(-1) / math.sqrt(4)).softmax(0)
            reads.append((weights[..., None] * values).sum(0).flatten())
        memory = memory + frames
        old, memory = memory[: -config.memory], memory[-config.memory :]
        for group in range(0, len(old), config.rate):
            rows, positions = zip(*old[group : group + config.rate])
            if config.learned:
                row = sum(w @ part for w, part in zip(head.compressions[index].split(8, dim=1), rows))
            else:
                row = sum(rows) / config.rate
            compressed.append((row, sum(positions) / config.rate))
        compressed = compressed[-config.compressed :]
    x = x + block.attention_out(torch.stack(reads))
    return x + block.narrow(F.gelu(block.widen(block.network_norm(x))))


@pytest.mark.parametrize("options", [{}, {"learned": False}, {"rate": 4, "compressed": 1}, {"block": 2, "memory": 2}])
def test_equals_the_queues_of_the_paper(options: dict[str, object]) -> None:
    head, x = make(**options), torch.randn(1, 39, 8, dtype=torch.float64)
    y = layer_reference(head, 1, layer_reference(head, 0, x[0]))
    torch.testing.assert_close(head(x)[0], head.last_norm(y), rtol=1e-10, atol=1e-10)


def test_compression_begins_as_a_mean() -> None:
    torch.manual_seed(0)
    learned = make_head("compressive", 8, SMALL)
    mean = make_head("compressive", 8, SMALL | {"learned": False})
    mean.load_state_dict({name: value for name, value in learned.state_dict().items() if name != "compressions"})
    x = torch.randn(1, 39, 8)
    torch.testing.assert_close(learned(x), mean(x), rtol=1e-5, atol=1e-5)


def test_a_frame_leaves_its_trace_in_compressed_memory_once_the_memory_has_lost_it() -> None:
    head, x = make(layers=1), torch.randn(1, 24, 8, dtype=torch.float64)
    changed = x.clone()
    changed[:, 5] = torch.randn(8)
    moved = (head(changed) != head(x)).any(-1)[0].nonzero().flatten().tolist()
    assert moved == list(range(5, 24))  # the memory holds it until 15, the rows until 27
    head = make(layers=1, compressed=2)
    moved = (head(changed) != head(x)).any(-1)[0].nonzero().flatten().tolist()
    assert moved == list(range(5, 20))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rate": 3}, "compressive head expects block in multiples of rate, 3, got 4. Change one of them"),
        ({"memory": 6}, "compressive head expects memory in multiples of block, 4, got 6"),
        ({"compressed": 3}, "compressive head expects rate times compressed in multiples of block, 4, got 6"),
        ({"heads": 3}, "compressive head expects dim in multiples of twice its heads, 6, got 8"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(**options)
