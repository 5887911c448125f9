"""Every part has a floor, and what goes upward is caught; `test_structure.py` reads the library for it."""

from pathlib import Path

import pytest
from library_source import LIBRARY
from structure.floors import LAYERS, layers_of, parts_without_floor, upward_imports
from structure.source import Module, Repository

PACKAGE = LIBRARY.root / "vidseq"


def upward(part: str, source: str) -> list[str]:
    """What a module of a folder may not import."""
    return upward_imports(Module(f"vidseq.{part}.planted", Path("planted.py"), source))


def test_every_part_stands_on_a_floor() -> None:
    missing = parts_without_floor(LIBRARY.modules)
    assert not missing, f"Name the floor of vidseq/{missing[0]} in LAYERS of tools/structure/floors.py."


def test_no_floor_is_declared_for_what_is_not_there() -> None:
    assert not {part for floor in LAYERS for part in floor} - {module.part for module in LIBRARY.modules.values()}


def test_an_upward_import_is_caught() -> None:
    assert upward("video", "from vidseq.features.store import FeatureStore")
    assert upward("video", "from vidseq.features import FeatureStore")
    assert upward("heads", "def f():\n    import vidseq.model\n")
    assert upward("heads", "from vidseq import model")
    assert upward("heads", "from ..model import VideoReasoner")
    assert upward("classroom", "from vidseq.heads import HEADS")
    assert not upward("model", "from vidseq.heads import HEADS\nfrom vidseq import __version__")


def test_a_checkout_is_measured_by_its_own_floors(tmp_path: Path) -> None:
    assert layers_of(LIBRARY) == LAYERS
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_layers.py").write_text('LAYERS = [{"cellar"}, {"attic"}]\n')
    assert layers_of(Repository(tmp_path)) == [{"cellar"}, {"attic"}]
    with pytest.raises(ValueError, match=r"expects floors in tools/structure/floors.py, got none"):
        layers_of(Repository(tmp_path / "tests"))


def test_heads_do_not_import_one_another() -> None:
    heads = PACKAGE / "heads"
    shared = {"base", "config", "registry", "stacked"}
    for path in heads.glob("*.py"):
        if path.stem in shared or path.stem == "__init__":
            continue
        others = {other.stem for other in heads.glob("*.py")} - shared - {path.stem, "__init__"}
        source = path.read_text()
        assert not [other for other in others if f"vidseq.heads.{other} " in source], (
            f"{path.name} imports another head"
        )


def test_nothing_is_called_utils() -> None:
    assert not [p for p in PACKAGE.rglob("*") if p.stem in {"utils", "util", "common", "misc", "helpers"}]
