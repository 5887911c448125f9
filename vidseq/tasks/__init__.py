"""Tasks, one file each. A new task is a new file and one import line here."""

from vidseq.errors import unknown_name
from vidseq.tasks.action_sequence import ActionSequence
from vidseq.tasks.answer_words import AnswerWords
from vidseq.tasks.base import ClassTask, DenseTask, QueryTask, Task, TaskOptions, offered_classes
from vidseq.tasks.frame_labels import FrameLabels
from vidseq.tasks.labels_ahead import LabelsAhead
from vidseq.tasks.next_action import NextAction
from vidseq.tasks.question import Question

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (FrameLabels, NextAction, Question, AnswerWords, ActionSequence, LabelsAhead)
}
"""Every task by its name."""

__all__ = [
    "TASKS",
    "ActionSequence",
    "AnswerWords",
    "ClassTask",
    "DenseTask",
    "FrameLabels",
    "LabelsAhead",
    "NextAction",
    "QueryTask",
    "Question",
    "Task",
    "TaskOptions",
    "find_task",
    "offered_classes",
]


def find_task(name: str) -> type[Task]:
    """Finds a task by its name.

    Raises:
        UserError: there is none of this name.
    """
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    return TASKS[name]
