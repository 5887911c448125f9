"""What rows say of a model; the options of a run come from a file that may be damaged or a stranger's."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from vidseq.errors import DataError
from vidseq.evaluation.run_description import describe_run, training_of
from vidseq.model import VideoReasoner


def test_a_shipped_model_has_the_name_that_it_is_asked_for_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables have a column a head: who asks for "classroom" looks for that, not for "window"."""
    monkeypatch.chdir(tmp_path)
    model = cast(VideoReasoner, SimpleNamespace(config=SimpleNamespace(head="window")))
    described = describe_run(Path("classroom"), model)
    assert described.run == described.head == "classroom"
    (tmp_path / "classroom").mkdir()  # a folder comes first
    assert describe_run(Path("classroom"), model).head == "window"


def test_the_training_of_a_run(tmp_path: Path) -> None:
    assert training_of(tmp_path) == {}
    (tmp_path / "config.yaml").write_text("training: {seed: 3}\n")
    assert training_of(tmp_path) == training_of(tmp_path / "checkpoints" / "best") == {"seed": 3}


@pytest.mark.parametrize(
    "text",
    ["", "- a", "training: 3", "training: [a]", "a: [", "[" * 100_000, "\x00", "!!python/object/apply:os.getcwd []"],
)
def test_damaged_options_are_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(DataError, match=r"A run expects its options as YAML in .*config\.yaml, got others \(.*\)\.$"):
        training_of(tmp_path)
