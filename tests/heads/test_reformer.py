import pytest
import torch
import torch.nn.functional as F
from heads.references_reformer import hashed, lsh_by_frame
from references import rotated
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads import TemporalHead, make_head, reformer

SMALL: dict[str, object] = {"layers": 2, "heads": 2, "buckets": 4, "rounds": 2, "window": 3}


def make(causal: bool = True, **options: object) -> TemporalHead:
    torch.manual_seed(0)
    return make_head("reformer", 8, SMALL | options, causal).double()


def layer_reference(
    block: nn.Module, rotations: Tensor, x: Tensor, causal: bool, attention_alone: bool = False
) -> Tensor:
    q, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in block.qkv(block.attention_norm(x)).chunk(2, dim=-1))
    ids = torch.tensor([[[hashed(q[b, h, t], rotations[h]) for t in range(30)] for h in range(2)] for b in range(2)])
    q = torch.stack([rotated(q[:, :, t], t) for t in range(30)], dim=2)
    k = q / q.norm(dim=-1, keepdim=True)
    read = lsh_by_frame(q, k, v, ids.transpose(2, 3), [30, 30], 3, causal)
    attended = block.attention_out(read.transpose(1, 2).flatten(2))
    if attention_alone:
        return attended
    x = x + attended
    return x + block.narrow(F.gelu(block.widen(block.network_norm(x))))


@pytest.mark.parametrize("causal", [True, False])
def test_equals_the_equations_frame_by_frame(causal: bool) -> None:
    head, x = make(causal), torch.randn(2, 30, 8, dtype=torch.float64)
    y = x
    for block, rotations in zip(head.blocks, head.rotations):
        y = layer_reference(block, rotations, y, causal)
    torch.testing.assert_close(head(x), head.last_norm(y), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("causal", [True, False])
def test_parts_equal_the_whole_in_outputs_and_gradients(causal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    head, x = make(causal), torch.randn(2, 30, 8, dtype=torch.float64)
    mask, results = torch.arange(30) < torch.tensor([[30], [17]]), []
    for size in (30, 7):
        monkeypatch.setattr(reformer, "SEGMENT", size)
        y = head(x.requires_grad_(), mask)
        results.append([y, *torch.autograd.grad((y**3).sum(), [x, *head.parameters()])])
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-10, atol=1e-10)


def test_hashes_are_the_same_in_every_new_head_and_run() -> None:
    head, x = make(), torch.randn(2, 30, 8, dtype=torch.float64)
    other = make_head("reformer", 8, SMALL).double()
    assert torch.equal(head.rotations, other.rotations) and not torch.equal(*head.rotations)
    other.load_state_dict(head.state_dict())
    assert torch.equal(head(x), other(x)) and torch.equal(head(x), head(x))


@pytest.mark.parametrize("causal", [True, False])
def test_the_reversible_form_equals_its_equations_in_outputs_and_gradients(causal: bool) -> None:
    head, x = make(causal, reversible=True), torch.randn(2, 30, 8, dtype=torch.float64)
    results = []
    for run in (head, lambda x: reversible_reference(head, x, causal)):
        head.zero_grad()
        y = run(x.requires_grad_())
        results.append([y, *torch.autograd.grad((y**3).sum(), [x, *head.parameters()])])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)


def reversible_reference(head: TemporalHead, x: Tensor, causal: bool) -> Tensor:
    first = second = x
    for block, rotations in zip(head.blocks, head.rotations):
        attended = layer_reference(block, rotations, second, causal, attention_alone=True)
        first = first + attended
        second = second + block.narrow(F.gelu(block.widen(block.network_norm(first))))
    return head.last_norm((first + second) / 2)


def test_the_reversible_form_streams_with_the_same_gradients() -> None:
    head, results = make(reversible=True), []
    weight = torch.randn(2, 30, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for sizes in ([30], [7, 1, 22]):
        x = torch.randn(2, 30, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        state, reads = head.init_state(2), []
        for part in x.split(sizes, dim=1):
            y, state = head.step(part, state)
            reads.append(y)
        y = torch.cat(reads, dim=1)
        results.append([y, *torch.autograd.grad((y * weight).sum(), [x, *head.parameters()])])
    for whole, chunked in zip(*results, strict=True):
        torch.testing.assert_close(chunked, whole, rtol=1e-10, atol=1e-10)


def test_the_reversible_form_remembers_little_however_deep_it_is() -> None:
    def remembered(layers: int, reversible: bool) -> int:
        head, total = make(causal=False, layers=layers, reversible=reversible), 0
        weights = {weight.data_ptr() for weight in [*head.parameters(), *head.buffers()]}

        def count(tensor: Tensor) -> Tensor:
            nonlocal total
            total += 0 if tensor.data_ptr() in weights else tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            head(torch.randn(1, 100, 8, dtype=torch.float64))
        return total

    assert remembered(8, reversible=True) == remembered(1, reversible=True) < 0.05 * remembered(8, reversible=False)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"buckets": 3}, r"reformer head expects an even number of buckets, got 3\."),
        ({"reversible": True, "dropout": 0.1}, r"reformer head with reversible=True expects dropout 0, got 0\.1\."),
        ({"heads": 3}, r"reformer head expects dim in multiples of 6 \(an even width per head\), got 8"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(**options)
