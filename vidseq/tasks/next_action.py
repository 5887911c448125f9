"""The standing query: what happens next?"""

from dataclasses import dataclass

from vidseq.data.dataset import Dataset
from vidseq.data.next_actions import derive_next_actions
from vidseq.data.schema import NEXT_ACTION, Query
from vidseq.errors import UserError
from vidseq.tasks.asked import ClassTask
from vidseq.tasks.base import TaskOptions


@dataclass(frozen=True, kw_only=True)
class NextActionOptions(TaskOptions):
    """Options of the next action."""

    anticipation_seconds: float = 1.0
    """How long before an action starts it is asked for (tau_a), where queries are derived from segments."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.anticipation_seconds >= 0:
            raise UserError(
                f"next_action task expects anticipation_seconds of at least 0, got {self.anticipation_seconds}."
            )


class NextAction(ClassTask):
    """Names the action that starts `anticipation_seconds` later.

    A text is optional: "What will Ann do next?" where several act at once, none where one does.

    Source: the protocol of EPIC-Kitchens-100, arXiv:2006.13256, section 4.3 (tau_a = 1 s).
    """

    name = "next_action"
    query_kind = NEXT_ACTION
    label_kind = "action"
    needs = "segments or next actions"
    asked_with = "next_questions"
    Options = NextActionOptions
    options: NextActionOptions

    @classmethod
    def fits(cls, dataset: Dataset) -> bool:
        """Whether there are segments, or next actions in queries.jsonl."""
        return NEXT_ACTION in dataset.query_kinds or bool(dataset.segments)

    def derive_queries(self, dataset: Dataset, video: str) -> list[Query]:
        """A query before each segment; none where the data set asks for next actions itself."""
        if NEXT_ACTION in dataset.query_kinds:
            return []
        seconds = self.options.anticipation_seconds
        return derive_next_actions(dataset.segments_of(video), (), seconds, dataset.info.background)
