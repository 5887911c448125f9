"""Nothing outside vidseq/tasks/ asks what class a task is, or names one; exceptions are listed with their reasons."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

import vidseq.tasks
from vidseq.inference.request import PredictionRequest
from vidseq.tasks import TASKS, Task

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("vidseq", "tools", "recipes", "datasets")
    for path in (ROOT / folder).rglob("*.py")
    if ROOT / "vidseq" / "tasks" not in path.parents
)
#: Classes of tasks and of their families.
OFFERED = {name: getattr(vidseq.tasks, name) for name in vidseq.tasks.__all__}
CLASSES = {name for name, item in OFFERED.items() if isinstance(item, type) and issubclass(item, Task)}

FIELD = "the field `question` of queries, rows and files, which is no task"
HEADER = "a data set's header, which names the tasks that it is meant for"
#: Files that may hold a task's name, which names, and why.
EXCEPTIONS: dict[str, tuple[set[str], str]] = {
    "vidseq/data/schema.py": (
        {"question", "next_action", "frame_labels", "action_sequence"},
        "the kinds of query, the data format's words",
    ),
    "vidseq/data/format.py": ({"question"}, FIELD),
    "vidseq/data/browse.py": ({"question"}, FIELD),
    "vidseq/evaluation/evaluator.py": ({"question"}, FIELD),
    "vidseq/explain/evidence_agreement.py": ({"question"}, FIELD),
    "vidseq/explain/run.py": ({"question"}, FIELD),
    "vidseq/audit/audit.py": ({"question"}, FIELD),
    "vidseq/importers/egoschema.py": ({"question"}, FIELD),
    "vidseq/importers/nextqa.py": ({"question"}, FIELD),
    "vidseq/importers/*.py": ({"next_action", "frame_labels"}, HEADER),
    "vidseq/classroom/generator.py": ({"next_action", "question", "answer_words"}, HEADER),
    "vidseq/classroom/config.py": ({"next_action"}, "the classroom's family of queries of that name"),
    "vidseq/classroom/next_actions.py": ({"next_action"}, "the classroom's family of queries of that name"),
    "recipes/*.py": (set(TASKS), "trains and scores particular tasks"),
    "tools/benchmark_context.py": ({"question", "next_action"}, "trains particular tasks"),
    "tools/benchmark_training.py": ({"question"}, "trains particular tasks"),
    "tools/run_onnx.py": ({"question"}, "asks one task, unless another is named"),
    "tools/soak_stream.py": ({"next_action"}, "makes a model of a particular task"),
}
#: Recipes about one task may use its own methods.
MAY_IMPORT = {"recipes/anticipation.py": {"LabelsAhead"}, "recipes/classroom_words.py": {"AnswerWords"}}


@lru_cache(1)
def parsed(source: str) -> ast.Module:
    """A file, which three rules read one after another."""
    return ast.parse(source)


def docstrings(tree: ast.AST) -> set[int]:
    """The string statements, by identity."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def class_checks(source: str) -> Iterator[str]:
    """The lines that ask whether something is a task of some class."""
    for node in ast.walk(parsed(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("isinstance", "issubclass")
        ):
            names = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
            names |= {part.attr for part in ast.walk(node.args[1]) if isinstance(part, ast.Attribute)}
            if names & CLASSES:
                yield f"line {node.lineno}: {ast.unparse(node)}"


def task_names(source: str) -> set[str]:
    """The names of tasks that stand in a file as texts of their own."""
    tree = parsed(source)
    known = docstrings(tree)
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in known)
    return {node.value for node in texts if node.value in TASKS}


def task_imports(source: str) -> set[str]:
    """The particular tasks that a file imports."""
    concrete = {task.__name__ for task in TASKS.values()}
    nodes = (node for node in ast.walk(parsed(source)) if isinstance(node, ast.ImportFrom))
    from_tasks = (node for node in nodes if (node.module or "").startswith("vidseq.tasks"))
    return {alias.name for node in from_tasks for alias in node.names} & concrete


def allowed(path: str) -> set[str]:
    return {name for pattern, (names, _) in EXCEPTIONS.items() if fnmatch(path, pattern) for name in names}


def test_tasks_are_known_by_their_methods_alone() -> None:
    wrong = []
    for path in FILES:
        name, source = path.relative_to(ROOT).as_posix(), path.read_text()
        wrong += [f"{name}: {check}" for check in class_checks(source)]
        wrong += [f"{name} names {task}" for task in task_names(source) - allowed(name)]
        wrong += [f"{name} imports {task}" for task in task_imports(source) - MAY_IMPORT.get(name, set())]
    assert not wrong, "\n".join(["Give the task a method, or list the exception with its reason:", *wrong])


def test_every_exception_is_needed() -> None:
    for pattern, (names, reason) in EXCEPTIONS.items():
        found = [path for path in FILES if fnmatch(path.relative_to(ROOT).as_posix(), pattern)]
        used = set().union(*(task_names(path.read_text()) for path in found))
        assert names <= used, f"{pattern} names no {names - used}: {reason}"


def test_what_is_forbidden_is_found() -> None:
    assert list(class_checks("ok = isinstance(task, (int, tasks.DenseTask))"))
    assert list(class_checks("if issubclass(kind, AnswerWords): pass"))
    assert not list(class_checks("isinstance(answer, Written)"))
    assert task_names('"""frame_labels"""\nif "frame_labels" in model.tasks: pass') == {"frame_labels"}
    assert task_names('"""frame_labels"""') == set()
    assert task_imports("from vidseq.tasks import DenseTask, NextAction") == {"NextAction"}


def test_tasks_are_asked_with_fields_of_a_request() -> None:
    asked = {name: task.asked_with for name, task in TASKS.items()}
    assert {field for field in asked.values() if field} <= set(PredictionRequest.__dataclass_fields__)
    assert asked["labels_ahead"] is None and asked["frame_labels"] == "every"
