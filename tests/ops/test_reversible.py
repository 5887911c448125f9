import torch
from torch import Tensor, nn

from vidseq.ops.reversible import Step, run_reversibly


def layers(count: int) -> list[tuple[nn.Linear, nn.Linear]]:
    torch.manual_seed(0)
    return [(nn.Linear(6, 4).double(), nn.Linear(4, 4).double()) for _ in range(count)]


def attend(layer: nn.Linear, x: Tensor, memory: Tensor, count: Tensor) -> tuple[Tensor, ...]:
    """Mixes x with a state, and changes the state."""
    output = layer(torch.cat([x, memory[:, None].expand(-1, x.shape[1], -1)], dim=-1)).tanh()
    return output, memory + output.sum(1)[:, :2] ** 2, count + x.shape[1]


def feed_forward(layer: nn.Linear, x: Tensor) -> Tensor:
    return layer(x).sin()


def plain(steps: list[Step], x: Tensor) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
    first = second = x
    states = []
    for step in steps:
        output, *new = step.attend(second, *step.old)
        first = first + output
        second = second + step.feed_forward(first)
        states.append(tuple(new))
    return (first + second) / 2, states


def test_outputs_states_and_gradients_are_those_of_plain_autograd() -> None:
    stack, results = layers(3), []
    weights = [weight for pair in stack for layer in pair for weight in layer.parameters()]
    for run in (run_reversibly, plain):
        torch.manual_seed(1)
        x = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
        memories = [torch.randn(2, 2, dtype=torch.float64, requires_grad=True) for _ in stack]
        steps = [
            Step(
                lambda *parts, one=one: attend(one, *parts),
                lambda x, two=two: feed_forward(two, x),
                (memory, torch.zeros(2, dtype=torch.int64)),
                (*one.parameters(), *two.parameters()),
            )
            for (one, two), memory in zip(stack, memories)
        ]
        y, states = run(steps, x)
        assert all(int(count[0]) == 5 and count.dtype == torch.int64 for _, count in states)
        loss = (y**3).sum() + sum((memory**2).sum() for memory, _ in states)
        results.append([y, *(memory for memory, _ in states), *torch.autograd.grad(loss, [x, *memories, *weights])])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
