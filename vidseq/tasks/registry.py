"""Every task by its name. A new task is one class in a file of its own, imported and listed here."""

from collections.abc import Iterable
from typing import TypeVar

from torch import nn

from vidseq.errors import unknown_name
from vidseq.tasks.action_sequence import ActionSequence
from vidseq.tasks.answer_words import AnswerWords
from vidseq.tasks.base import Task
from vidseq.tasks.frame_labels import FrameLabels
from vidseq.tasks.labels_ahead import LabelsAhead
from vidseq.tasks.next_action import NextAction
from vidseq.tasks.question import Question

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (FrameLabels, NextAction, Question, AnswerWords, ActionSequence, LabelsAhead)
}
"""Every task by its name; those that are trained by default are trained in this order."""

SomeTask = TypeVar("SomeTask", bound=Task)


def find_task(name: str) -> type[Task]:
    """Finds a task by its name.

    Raises:
        UserError: there is none of this name.
    """
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    return TASKS[name]


def default_task(kind: str) -> str:
    """The name of the task that is trained by default to answer a kind of query."""
    return next(name for name, task in TASKS.items() if task.trained_by_default and task.query_kind == kind)


def of_family(tasks: Iterable[nn.Module], family: type[SomeTask]) -> dict[str, SomeTask]:
    """The tasks of a family, such as `DenseTask`, or of one class, by name."""
    return {task.name: task for task in tasks if isinstance(task, family)}


def names_of_family(family: type[Task]) -> list[str]:
    """The names of all tasks of a family."""
    return [name for name, task in TASKS.items() if issubclass(task, family)]
