"""Imports go down only: a lower layer never knows a higher one."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vidseq"

#: From the bottom up. A module may import its own layer and those below.
LAYERS = [
    {"vidseq", "errors", "files", "progress", "device", "processes"},
    {"reporting"},
    {"video"},
    {"features"},
    {"data"},
    {"importers"},
    {"retrieval"},
    {"ops"},
    {"segmentation"},
    {"heads"},
    {"language"},
    {"tasks"},
    {"model", "clip_reader", "checkpoint"},
    {"training"},
    {"inference"},
    {"baselines"},
    {"evaluation"},
    {"analysis"},
    {"context", "explain", "forecasting"},
    {"comparison", "audit"},
    {"commands"},
    {"cli"},
]

#: What the classroom may use: it generates data and knows no model.
CLASSROOM_MAY_USE = {"vidseq", "errors", "files", "progress", "video", "features", "data", "classroom"}


def layer_of(part: str) -> int:
    if part == "classroom":
        return layer_of("data")
    for number, layer in enumerate(LAYERS):
        if part in layer:
            return number
    raise AssertionError(f"vidseq/{part} is in no layer. Name its layer in LAYERS.")


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return "vidseq" if relative.parts == ("__init__.py",) else relative.parts[0].removesuffix(".py")


def imported_parts(source: str) -> set[str]:
    """Names the parts of vidseq that a file imports, whether at its top or inside a function."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            module = node.module or ""
            modules += [f"{module}.{alias.name}" for alias in node.names] if module == "vidseq" else [module]
    parts = [module.split(".")[1] for module in modules if module.startswith("vidseq.")]
    return {part for part in parts if not part.startswith("__")}


def violations(part: str, source: str) -> list[str]:
    problems = []
    for imported in sorted(imported_parts(source)):
        if part == "classroom" and imported not in CLASSROOM_MAY_USE:
            problems.append(f"classroom imports vidseq.{imported}, but may use only {sorted(CLASSROOM_MAY_USE)}")
        elif layer_of(imported) > layer_of(part):
            problems.append(
                f"imports upward: vidseq.{imported}. Move the code to layer {LAYERS[layer_of(imported)]} or up."
            )
    return problems


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return  # the public names, imported when asked for
    found = violations(part_of(path), path.read_text())
    assert not found, f"{path.relative_to(PACKAGE)} {'; '.join(found)}"


def test_an_upward_import_is_caught() -> None:
    assert violations("video", "from vidseq.features.store import FeatureStore")
    assert violations("heads", "def f():\n    import vidseq.model\n")
    assert violations("classroom", "from vidseq.heads import HEADS")
    assert not violations("model", "from vidseq.heads import HEADS\nfrom vidseq import __version__")


def test_heads_do_not_import_one_another() -> None:
    heads = PACKAGE / "heads"
    shared = {"base"}
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
