"""The parts that CONTRIBUTING.md adds work as it says, and its commands are there."""

import re
from pathlib import Path

import pytest

from vidseq.baselines import BASELINES
from vidseq.features import BACKBONES
from vidseq.heads import HEADS
from vidseq.importers import IMPORTERS
from vidseq.tasks import TASKS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
REGISTRIES = {"head": HEADS, "task": TASKS, "backbone": BACKBONES, "importer": IMPORTERS, "baseline": BASELINES}


@pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")
def test_every_part_can_be_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = {kind: dict(registry) for kind, registry in REGISTRIES.items()}
    names: dict[str, object] = {"__name__": "contributing"}
    try:
        for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)):
            exec(compile(block, f"CONTRIBUTING.md, Python block {number}", "exec"), names)
        added = {kind: len(registry) - len(before[kind]) for kind, registry in REGISTRIES.items()}
        assert set(added.values()) == {1}, added
    finally:
        for kind, registry in REGISTRIES.items():
            for name in registry.keys() - before[kind].keys():
                del registry[name]


def test_every_path_and_target_is_there() -> None:
    new = {"vidseq/heads/sum.py", "tests/heads/test_sum.py", "vidseq/tasks/action_count.py"}
    new |= {"vidseq/importers/subtitles.py", "vidseq/baselines/first_class.py"}
    paths = set(re.findall(r"\b(?:vidseq|docs|tools|tests)/[\w./]*\w", TEXT)) - new
    assert len(paths) > 8 and not [path for path in paths if not (ROOT / path).exists()]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, re.MULTILINE))
    assert len(targets) > 3 and not [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)]
