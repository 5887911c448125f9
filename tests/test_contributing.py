"""The parts that CONTRIBUTING.md adds work as it says, and its commands are there."""

import ast
import contextlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from heads import test_contract

from vidseq.baselines import BASELINES
from vidseq.features import BACKBONES
from vidseq.heads import HEADS
from vidseq.importers import IMPORTERS
from vidseq.tasks import TASKS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
REGISTRIES = {"head": HEADS, "task": TASKS, "backbone": BACKBONES, "importer": IMPORTERS, "baseline": BASELINES}


@pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")
def test_every_part_can_be_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = {kind: dict(registry) for kind, registry in REGISTRIES.items()}
    names: dict[str, object] = {"__name__": "contributing"}
    try:
        for number, block in enumerate(BLOCKS):
            exec(compile(block, f"CONTRIBUTING.md, Python block {number}", "exec"), names)
        added = {kind: len(registry) - len(before[kind]) for kind, registry in REGISTRIES.items()}
        assert set(added.values()) == {1}, added
    finally:
        for kind, registry in REGISTRIES.items():
            for name in registry.keys() - before[kind].keys():
                del registry[name]


#: The first block of each part that is a file in the folder of a registry.
FILES = [block for block in BLOCKS if re.search(r"^class \w+\(\w+\)|^@importer|^@image_network", block, re.MULTILINE)]


@pytest.mark.parametrize("text", FILES, ids=range(len(FILES)))
def test_a_file_of_a_part_needs_no_registry_and_is_typed_and_described(text: str) -> None:
    """The registry, a public name of the folder, imports the file, so the file imports from the files beside it."""
    tree = ast.parse(text)
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {f"vidseq.{folder}" for folder in ("heads", "tasks", "features", "importers", "baselines")}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.returns is not None, node.name
            assert all(argument.annotation for argument in node.args.args if argument.arg not in ("self", "cls"))
            assert ast.get_docstring(node) or node.name == "__init__", node.name


def marks_of(check: object) -> list[pytest.Mark]:
    return getattr(check, "pytestmark", [])


def test_the_head_passes_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": "contributing"}
    (text,) = [text for text in FILES if "TemporalHead" in text]
    exec(compile(text, "CONTRIBUTING.md, head", "exec"), names)
    monkeypatch.setitem(HEADS, "sum", names["Sum"])
    checks = [check for check in vars(test_contract).values() if test_contract.every_head.mark in marks_of(check)]
    checks = [check for check in checks if [*inspect.signature(check).parameters] == ["name"]]
    assert len(checks) > 10
    for check in checks:
        with contextlib.suppress(pytest.skip.Exception):
            check("sum")
    test_contract.test_state_bytes_are_what_is_kept("sum", 1)
    test_contract.test_stepping_equals_forward_in_outputs_and_gradients("sum", [5, 1, 9, 0, 2, 6])


def test_there_is_a_file_of_each_part() -> None:
    assert len(FILES) == len(REGISTRIES)


def test_every_path_and_target_is_there() -> None:
    new = {"vidseq/heads/sum.py", "tests/heads/test_sum.py", "vidseq/tasks/action_count.py"}
    new |= {"vidseq/importers/subtitles.py", "vidseq/baselines/first_class.py", "vidseq/features/edges.py"}
    paths = set(re.findall(r"\b(?:vidseq|docs|tools|tests)/[\w./]*\w", TEXT)) - new
    assert len(paths) > 8 and not [path for path in paths if not (ROOT / path).exists()]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, re.MULTILINE))
    assert len(targets) > 3 and not [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)]
