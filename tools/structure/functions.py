"""How long functions are."""

import ast
from collections.abc import Iterator

from structure.source import Repository


def body_lengths(repository: Repository) -> list[tuple[int, str]]:
    """Counts the lines of every function's body without its docstring; the longest first, with its name."""
    found = []
    for module in repository.modules.values():
        for function in _functions(module.tree):
            found.append((_body_lines(function), f"{module.name}.{function.name}"))
    return sorted(found, key=lambda item: (-item[0], item[1]))


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
