"""Cycles of imports, modules that nothing reaches, and the paths that scripts import."""

import ast
from collections.abc import Iterable, Mapping, Set

from structure.source import Repository

#: The modules that are started: by the command, and by `python -m vidseq`.
STARTED = frozenset({"vidseq.cli", "vidseq.__main__"})


def import_graph(repository: Repository) -> dict[str, set[str]]:
    """Finds which modules each module imports, wherever in the file the import stands.

    The names of `vidseq` itself are left out: they are imported when asked for, and no module may ask for them.
    """
    graph = {}
    for name, module in repository.modules.items():
        reached = {found for imported in module.imported for found in repository.resolve(imported)}
        graph[name] = (reached & repository.modules.keys()) - {name}
    return graph | {"vidseq": set()}


def cycles(graph: Mapping[str, Set[str]]) -> list[list[str]]:
    """Finds the groups of nodes that reach one another."""
    reach = {node: reachable([node], graph) for node in graph}
    groups = {frozenset(other for other in reach[node] if node in reach[other]) for node in graph}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def room_cycles(repository: Repository) -> list[list[str]]:
    """Finds the groups of folders and top modules that import one another."""
    graph: dict[str, set[str]] = {}
    for name, imported in import_graph(repository).items():
        part = repository.modules[name].part
        graph.setdefault(part, set()).update(repository.modules[other].part for other in imported)
    return cycles({part: others - {part, "vidseq"} for part, others in graph.items() if part != "vidseq"})


def unreachable(repository: Repository) -> list[str]:
    """Lists the modules that neither the command nor a public name reaches."""
    graph = import_graph(repository)
    roots = {*STARTED, "vidseq"} | {home for face in repository.faces.values() for home in face.values()}
    roots |= {home for name in repository.modules["vidseq"].imported for home in repository.resolve(name)}
    with_packages = {name: graph[name] | _packages_of(name, graph) for name in graph}
    return sorted(graph.keys() - reachable(roots & graph.keys(), with_packages))


def reachable(roots: Iterable[str], graph: Mapping[str, Set[str]]) -> set[str]:
    """Follows the arrows of a graph from some of its nodes."""
    found: set[str] = set()
    todo = list(roots)
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += graph[node]
    return found


def script_paths(repository: Repository) -> list[str]:
    """Lists the distinct paths of vidseq that recipes, tools and datasets import from."""
    found = set()
    for script in repository.scripts:
        for node in ast.walk(script.tree):
            if isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
    return sorted(path for path in found if path.split(".")[0] == "vidseq")


def _packages_of(name: str, graph: Mapping[str, Set[str]]) -> set[str]:
    """The packages that Python imports before a module."""
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))} & graph.keys()
