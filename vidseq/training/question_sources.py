"""The sources of training questions, by the names that `dataset.json` gives them."""

from collections.abc import Callable

from vidseq.classroom.question_sampler import open_sampler
from vidseq.data.dataset import Dataset
from vidseq.data.question_source import QuestionSource
from vidseq.data.questions.ask import SOURCE
from vidseq.data.questions.segment_questions import open_segment_questions
from vidseq.errors import unknown_name

#: What opens the source of a data set, by `DatasetInfo.question_source`.
QUESTION_SOURCES: dict[str, Callable[[Dataset], QuestionSource]] = {
    "classroom": open_sampler,
    SOURCE: open_segment_questions,
}


def open_question_source(dataset: Dataset) -> QuestionSource | None:
    """Opens what draws further questions about a data set's videos; None: nothing does.

    Raises:
        UserError: an unknown source.
        DataError: the source cannot be read.
    """
    name = dataset.info.question_source
    if name is None:
        return None
    if name not in QUESTION_SOURCES:
        raise unknown_name("question_source of dataset.json", name, QUESTION_SOURCES)
    return QUESTION_SOURCES[name](dataset)
