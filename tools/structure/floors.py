"""The floors of the library, from the bottom up, and the imports that go upward."""

import ast
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from structure.source import Module, Repository

#: From the bottom up. A module may import its own floor and those below.
LAYERS: Sequence[Set[str]] = [
    {"vidseq", "errors", "files", "claims", "progress", "device", "processes", "isolation", "watch", "pretrained"},
    {"reporting"},
    {"video"},
    {"features"},
    {"data"},
    {"importers"},
    {"exporters"},
    {"timeline"},
    {"retrieval"},
    {"ops"},
    {"segmentation"},
    {"heads"},
    {"language"},
    {"tasks"},
    {"model", "projection", "clip_reader", "checkpoint", "compact_weights"},
    {"training"},
    {"inference"},
    {"onnx"},
    {"baselines"},
    {"evaluation"},
    {"analysis"},
    {"context", "explain", "forecasting", "probing"},
    {"comparison", "audit", "hub"},
    {"app"},
    {"commands"},
    {"cli"},
    {"__main__"},
]

#: What the classroom may use: it generates data and knows no model.
CLASSROOM_MAY_USE = frozenset(
    {"vidseq", "errors", "files", "claims", "processes", "progress", "video", "features", "data", "classroom"}
)


def layers_of(repository: Repository) -> Sequence[Set[str]]:
    """Reads the floors that a checkout declares for itself, so that older ones are measured against their own.

    Raises:
        ValueError: the checkout declares none.
    """
    for path in ("tools/structure/floors.py", "tests/test_layers.py"):
        file = repository.root / path
        declared = _literal("LAYERS", file) if file.is_file() else None
        if declared is not None:
            return declared
    raise ValueError(f"{repository.root} expects floors in tools/structure/floors.py, got none.")


def floor_of(part: str, layers: Sequence[Set[str]] = LAYERS) -> int | None:
    """Finds the floor of a folder or top module; None if it stands on none."""
    if part == "classroom":
        part = "data"
    return next((floor for floor, parts in enumerate(layers) if part in parts), None)


def upward_imports(module: Module, layers: Sequence[Set[str]] = LAYERS) -> list[str]:
    """Lists what a module imports although it may not, at its top or inside a function, each as a line of text."""
    own = floor_of(module.part, layers)
    found = []
    for imported in sorted(_imported_parts(module)):
        floor = floor_of(imported, layers)
        if module.part == "classroom" and imported not in CLASSROOM_MAY_USE:
            found.append(f"classroom imports vidseq.{imported}, but may use only {sorted(CLASSROOM_MAY_USE)}")
        elif floor is not None and own is not None and floor > own:
            found.append(f"imports upward: vidseq.{imported}. Move the code to floor {sorted(layers[floor])} or up.")
    return found


def upward_arrows(repository: Repository) -> list[str]:
    """Lists every import of a checkout that goes upward."""
    layers = layers_of(repository)
    modules = (module for module in repository.modules.values() if module.name != "vidseq")
    return [f"{module.name} {problem}" for module in modules for problem in upward_imports(module, layers)]


def parts_without_floor(modules: Mapping[str, Module], layers: Sequence[Set[str]] = LAYERS) -> list[str]:
    """Lists the folders and top modules that stand on no floor."""
    return sorted({module.part for module in modules.values() if floor_of(module.part, layers) is None})


def _imported_parts(module: Module) -> set[str]:
    parts = {name.split(".")[1] for name in module.imported if name.startswith("vidseq.")}
    return {part for part in parts if not part.startswith("__")}


def _literal(name: str, file: Path) -> Sequence[Set[str]] | None:
    """Reads the value of a constant without running the file."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                found: Sequence[Set[str]] = ast.literal_eval(node.value)
                return found
    return None
