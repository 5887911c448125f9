"""Questions with a text, answered by one of the known answers."""

from vidseq.tasks.base import ClassTask, TaskOptions


class Question(ClassTask):
    """Answers a question about what has been seen so far; multiple choice restricts the classes at prediction."""

    name = query_kind = "question"
    label_kind = "answer"
    Options = TaskOptions
