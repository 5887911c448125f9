import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning_fabric.strategies import STRATEGY_REGISTRY

from vidseq.errors import UserError
from vidseq.training import fabric as fabric_module
from vidseq.training.config import STRATEGIES, TrainConfig
from vidseq.training.fabric import choose_precision, make_fabric

ROOT = Path(__file__).parents[2]
#: Packages that are not installed with vidseq: of Lightning, it uses Fabric alone.
NOT_NEEDED = ("lightning", "pytorch_lightning", "torchmetrics")


@pytest.mark.parametrize("folder", ["vidseq", "tests", "tools", "recipes", "datasets"])
def test_nothing_imports_the_trainer_of_lightning(folder: str) -> None:
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & set(NOT_NEEDED), file


def test_training_imports_without_the_trainer_of_lightning() -> None:
    code = (
        f"import sys; sys.modules |= dict.fromkeys({NOT_NEEDED!r}); "
        "import vidseq.training.trainer, vidseq.analysis.recall_training"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_all_strategies_are_fabrics_own() -> None:
    assert {*STRATEGIES} - {"auto"} <= {*STRATEGY_REGISTRY.available_strategies()}


@pytest.mark.parametrize(("fast", "chosen"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_is_bf16_where_that_is_fast(monkeypatch: pytest.MonkeyPatch, fast: bool, chosen: str) -> None:
    monkeypatch.setattr(fabric_module, "computes_bfloat16", lambda device: fast)
    assert choose_precision("auto", torch.device("cpu")) == chosen
    assert choose_precision("32-true", torch.device("cpu")) == "32-true"


def test_bf16_is_refused_where_a_step_would_take_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fabric_module, "computes_bfloat16", lambda device: False)
    with pytest.raises(
        UserError, match=r"Precision bf16-mixed expects .*, got a cpu without: .* Use precision auto or"
    ):
        make_fabric(TrainConfig(precision="bf16-mixed"), torch.device("cpu"))


def test_bf16_mixed_keeps_the_features_and_sums_gradients_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fabric_module, "computes_bfloat16", lambda device: True)
    fabric = make_fabric(TrainConfig(precision="bf16-mixed"), torch.device("cpu"))
    layer = torch.nn.Linear(3, 3, bias=False)
    x = torch.full((1, 3), 1 + 2**-12)
    module = fabric.setup_module(Reader(layer))
    seen, y = module(x)
    assert seen.dtype == torch.float32 and torch.equal(seen, x)
    assert y.dtype == torch.bfloat16
    # 256 + 1 is 256 in bfloat16.
    fabric.backward(256 * y[0, 0] + module(x)[1][0, 0])
    assert layer.weight.grad is not None
    assert layer.weight.grad[0].tolist() == [257, 257, 257]


class Reader(torch.nn.Module):
    """Returns its input and the output of a layer."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, self.layer(x)
