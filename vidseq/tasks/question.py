"""Questions with a text, answered by one of the known answers."""

from vidseq.data.dataset import Dataset
from vidseq.data.schema import QUESTION
from vidseq.tasks.asked import ClassTask

#: What questions need, however they are answered.
NEEDS = "questions in queries.jsonl"


class Question(ClassTask):
    """Answers a question about what has been seen so far; multiple choice restricts the classes in prediction."""

    name = "question"
    query_kind = QUESTION
    label_kind = "answer"
    needs = NEEDS
    asked_with = "questions"

    @classmethod
    def fits(cls, dataset: Dataset) -> bool:
        """Whether there are questions."""
        return QUESTION in dataset.query_kinds
