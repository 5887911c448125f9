import subprocess
import sys
from pathlib import Path

import pytest

from vidseq.errors import UserError
from vidseq.training.config import TrainConfig


def test_listing_the_options_needs_no_torch() -> None:
    code = "import sys, vidseq.training.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("dim", 7, "an even width"),
        ("epochs", 0, "at least 1"),
        ("max_steps", 0, "at least 1, or nothing"),
        ("context_seconds", 0.0, "more than 0, or nothing"),
        ("seed", -1, "a whole number from 0"),
        ("seed", 2**63, "a whole number from 0"),
        ("lr", 0.0, "a rate above 0"),
        ("lr", float("nan"), "a rate above 0"),
        ("weight_decay", -1.0, "at least 0"),
        ("dropout", 1.0, "a share from 0 to below 1"),
        ("full_context", 1.5, "a share from 0 to 1"),
        ("precision", "16", "one of auto, 32-true, bf16-mixed"),
        ("strategy", "fsdp", "one of auto, ddp, ddp_spawn, ddp_fork, ddp_notebook"),
        ("monitor", "test", "one of accuracy, loss"),
    ],
)
def test_wrong_values_are_refused(name: str, value: object, what: str) -> None:
    with pytest.raises(UserError, match=rf"Training expects {name} as {what}.*, got {value!r}\."):
        TrainConfig(**{name: value})  # type: ignore[arg-type]


def test_models_to_start_from_stand_with_commas_unless_one_is_called_so(tmp_path: Path) -> None:
    assert TrainConfig().starts == ()
    assert TrainConfig(start="classroom, runs/own", frozen="head,encoder").starts == ("classroom", "runs/own")
    assert TrainConfig(frozen="head, encoder").frozen_parts == ("head", "encoder")
    (tmp_path / "wide,deep").mkdir()
    assert TrainConfig(start=str(tmp_path / "wide,deep")).starts == (str(tmp_path / "wide,deep"),)
