"""Private words: names that this field has another word for, and words that plain English does without."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from structure.source import Module, Repository

#: Words that are private in names and in sentences alike.
WORDS = frozenset({
    "analogue", "analogues", "contender", "contenders", "contest", "dice", "disturbance", "exam", "exams", "foretell",
    "foretells", "foretold", "lesson", "lessons", "manners", "outlook", "outlooks", "shall", "sights", "surest",
    "tell", "tells", "told",
})  # fmt: skip
#: Parts of names, such as the `exam` of `read_exam`.
IN_NAMES = WORDS | {"draws", "study"}
#: Names that are private words as a whole, while their parts are ordinary.
WHOLE_NAMES = frozenset({"Ask", "Mark", "asks", "marking", "reading", "verbs"})
#: What an index, which counts from 0, is not called.
NO_INDEX = frozenset({"number"})
#: How constants started that are called MAX_ and MIN_ now.
OLD_STARTS = ("MOST_", "LEAST_")
#: Words in docstrings, messages, comments and Markdown files.
IN_TEXT = WORDS | {"disturbances", "foretelling", "telling", "whereof", "whereupon"}
#: Markdown files that quote old names on purpose.
QUOTING = frozenset({"CHANGELOG.md"})


def private_words(repository: Repository) -> list[str]:
    """Lists each use of a private word in the library, the scripts and the Markdown files."""
    found = []
    for module in [*repository.modules.values(), *repository.scripts]:
        path = module.path.relative_to(repository.root)
        found += [f"{path}:{line}: {word} (name)" for line, word in private_names(module)]
        found += [f"{path}:{line}: {word}" for line, text in _texts(module) for word in _private_in(text)]
    for path in _markdown(repository.root):
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found += [f"{path.relative_to(repository.root)}:{line}: {word}" for word in _private_in(text)]
    return found


def private_names(module: Module) -> list[tuple[int, str]]:
    """Finds the private words in what a module defines: its own name, functions, classes, arguments, variables."""
    named = [(1, module.path.stem), *_defined_names(module.tree)]
    found = {(line, name) for line, name in named if _is_private(name)}
    return sorted(found | {(line, name) for line, name in _indices(module.tree) if name in NO_INDEX})


def _is_private(name: str) -> bool:
    parts = {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
    return bool(parts & IN_NAMES) or name in WHOLE_NAMES or name.lstrip("_").startswith(OLD_STARTS)


def _defined_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def _indices(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The names that `enumerate` counts with from 0."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Tuple):
            first = node.target.elts[0]
            if isinstance(first, ast.Name) and _counts_from_zero(node.iter):
                yield first.lineno, first.id


def _counts_from_zero(called: ast.expr) -> bool:
    return (
        isinstance(called, ast.Call)
        and isinstance(called.func, ast.Name)
        and called.func.id == "enumerate"
        and len(called.args) == 1
        and not called.keywords
    )


def _texts(module: Module) -> Iterator[tuple[int, str]]:
    """The docstrings, messages and comments of a module, line by line."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for offset, text in enumerate(node.value.splitlines()):
                yield node.lineno + offset, text
    if _private_in(module.text):  # else no comment holds one, and taking a file apart takes long
        for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def _private_in(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z]+", text.lower()) if word in IN_TEXT]


def _markdown(root: Path) -> list[Path]:
    folders = ("recipes", "tools", "datasets", "docs")
    paths = [*root.glob("*.md"), *(path for folder in folders for path in (root / folder).rglob("*.md"))]
    return sorted(path for path in paths if path.name not in QUOTING)
