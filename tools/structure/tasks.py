"""What is known of tasks outside the folder of the tasks."""

import ast
from collections.abc import Iterator

from structure.source import Module, Repository

ROOM = "tasks"
#: The class that all tasks come from.
BASE = "Task"


def type_checks(repository: Repository) -> list[str]:
    """Lists the `isinstance` and `issubclass` on classes of tasks outside tasks/."""
    classes = _task_classes(repository)
    return [
        f"{module.path.relative_to(repository.root)}:{node.lineno}"
        for module in _outside(repository)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("isinstance", "issubclass")
        and classes & {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
    ]


def name_literals(repository: Repository) -> list[str]:
    """Lists the texts outside tasks/ that are exactly the name of a task."""
    names = _task_names(repository)
    return [
        f"{module.path.relative_to(repository.root)}:{node.lineno}: {node.value!r}"
        for module in _outside(repository)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
    ]


def _inside(repository: Repository) -> list[Module]:
    return repository.rooms().get(ROOM, [])


def _outside(repository: Repository) -> Iterator[Module]:
    return (module for module in repository.modules.values() if module.room != ROOM)


def _task_classes(repository: Repository) -> set[str]:
    """The names of `Task` and of all classes that come from it."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for module in _inside(repository)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {BASE}
    while new := {name for name, above in bases.items() if above & found} - found:
        found |= new
    return found


def _task_names(repository: Repository) -> set[str]:
    """What tasks call themselves: the texts that are given to `name` in the bodies of their classes."""
    classes = _task_classes(repository)
    return {
        statement.value.value
        for module in _inside(repository)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and node.name in classes
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "name" for target in statement.targets)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    }
