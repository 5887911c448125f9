"""The standing query: what happens next?"""

from dataclasses import dataclass

from vidseq.errors import UserError
from vidseq.tasks.base import ClassTask, TaskOptions


@dataclass(frozen=True, kw_only=True)
class NextActionOptions(TaskOptions):
    """Options of the next action."""

    anticipation_seconds: float = 1.0
    """How long before an action starts it must be told (tau_a), where queries are derived from segments."""

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

    name = query_kind = "next_action"
    label_kind = "action"
    Options = NextActionOptions
    options: NextActionOptions
