"""The Python source of a checkout, parsed and never imported."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

#: Folders of scripts that use the library as others do.
SCRIPT_FOLDERS = ("recipes", "tools", "datasets")
#: The room of modules that stand in no folder.
TOP = "(top level)"


@dataclass(frozen=True)
class Module:
    """A Python file.

    Attributes:
        name: its dotted name, such as "vidseq.data.check".
        path: the file.
        text: what the file holds.
    """

    name: str
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.text, str(self.path))

    @property
    def is_package(self) -> bool:
        """Whether it is a folder's `__init__.py`."""
        return self.path.name == "__init__.py"

    @property
    def part(self) -> str:
        """The folder below vidseq that it is in, or its own name at the top."""
        return "vidseq" if self.name == "vidseq" else self.name.split(".")[1]

    @property
    def room(self) -> str:
        """The folder below vidseq that it is in; `TOP` if none."""
        inside = self.is_package or self.name.count(".") > 1
        return self.part if inside and self.name != "vidseq" else TOP

    @property
    def num_lines(self) -> int:
        """Lines of the file, empty ones included."""
        return self.text.count("\n")

    @cached_property
    def imported(self) -> frozenset[str]:
        """Everything of vidseq that it imports anywhere in the file: modules, and names as "module.name".

        A text such as "vidseq.commands.convert:app" counts as an import, too.
        """
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {f"{self._absolute(node)}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Constant) and re.fullmatch(r"[\w.]+:\w+", str(node.value)):
                found.add(str(node.value).replace(":", "."))  # what a library imports when it is needed
        return frozenset(name for name in found if name.split(".")[0] == "vidseq")

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parents = self.name.split(".")
        kept = parents[: len(parents) - node.level + self.is_package]
        return ".".join([*kept, *([node.module] if node.module else [])])


@dataclass(frozen=True)
class Repository:
    """A checkout."""

    root: Path

    @cached_property
    def modules(self) -> Mapping[str, Module]:
        """The library's modules by name."""
        found = {}
        for path in sorted((self.root / "vidseq").rglob("*.py")):
            relative = path.relative_to(self.root).with_suffix("")
            name = ".".join(relative.parts).removesuffix(".__init__")
            found[name] = Module(name, path, path.read_text(encoding="utf-8"))
        if not found:
            raise ValueError(f"{self.root} expects a folder vidseq with Python files, got none.")
        return found

    @cached_property
    def scripts(self) -> list[Module]:
        """The files of recipes, tools and datasets; those that measure the structure are left out."""
        paths = (path for folder in SCRIPT_FOLDERS for path in sorted((self.root / folder).rglob("*.py")))
        return [
            Module(path.stem, path, path.read_text(encoding="utf-8"))
            for path in paths
            if "structure" not in path.relative_to(self.root).parts
        ]

    @cached_property
    def faces(self) -> Mapping[str, Mapping[str, str]]:
        """The lazy public names: of each package with a `__init__.pyi`, the module of each name."""
        found = {}
        for path in sorted((self.root / "vidseq").rglob("__init__.pyi")):
            package = ".".join(path.parent.relative_to(self.root).parts)
            face = Module(package, path.with_suffix(".py"), path.read_text(encoding="utf-8"))
            found[package] = {name.rpartition(".")[2]: name.rpartition(".")[0] for name in face.imported}
        return found

    def rooms(self) -> dict[str, list[Module]]:
        """The modules of each folder below vidseq."""
        found: dict[str, list[Module]] = defaultdict(list)
        for module in self.modules.values():
            found[module.room].append(module)
        return dict(found)

    def resolve(self, imported: str) -> Iterator[str]:
        """Gives the modules that one import reaches: a name of a lazy face leads to the module that has it."""
        if imported in self.modules:
            yield imported
            return
        package, _, name = imported.rpartition(".")
        yield package
        home = self.faces.get(package, {}).get(name)
        if home is not None:
            yield home
