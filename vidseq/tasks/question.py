"""Questions with a text, answered by one of the known answers."""

from vidseq.tasks.base import QueryTask, TaskOptions


class Question(QueryTask):
    """Answers a question about what has been seen so far; multiple choice restricts the classes at prediction."""

    name = "question"
    label_kind = "answer"
    Options = TaskOptions
