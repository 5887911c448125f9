"""Finds controls by name: input controls, which take input from a model, and baselines, which use no model."""

from collections.abc import Iterable, Mapping, Sequence

from vidseq.baselines.baseline import Baseline
from vidseq.baselines.control import Control, QueryFacts, parse_control
from vidseq.baselines.registry import BASELINES
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.input_controls import INPUT_CONTROLS, InputControl

#: The name that stands for every control whose needs the queries meet.
ALL = "all"


def known_controls() -> Mapping[str, type[Control]]:
    """Returns every control by its name."""
    return {**INPUT_CONTROLS, **BASELINES}


def find_control(text: str) -> Control:
    """Returns the control that is written as `text`, such as "blind" or "ngram:2"; errors as in `parse_control`."""
    return parse_control(text, known_controls())


def find_baseline(text: str) -> Baseline | None:
    """Returns the baseline that is written as `text`; None for an input control."""
    control = find_control(text)
    return control if isinstance(control, Baseline) else None


def find_input_control(text: str) -> InputControl | None:
    """Returns the input control that is written as `text`; None for a baseline."""
    control = find_control(text)
    return control if isinstance(control, InputControl) else None


def check_controls(controls: Sequence[str]) -> None:
    """Refuses an unknown control or a parameter that cannot be parsed; errors as in `parse_control`."""
    for control in controls:
        find_control(control)


def choose_controls(
    controls: Sequence[str], queries: Iterable[Query], *, num_groups: int, has_segments: bool
) -> list[str]:
    """Replaces "all" by every control whose needs the queries meet.

    Args:
        controls: names of controls; "all" may be among them.
        queries: the queries to evaluate.
        num_groups: number of groups in the split.
        has_segments: whether the labels of past segments are known.

    Returns:
        the controls without duplicates.

    Raises:
        UserError: a control is unknown, or the queries do not meet the needs of a named one.
    """
    facts = QueryFacts.of(queries, has_segments=has_segments, num_groups=num_groups)
    named = [control for control in controls if control != ALL]
    for text in named:
        needs = find_control(text).needs
        if needs and not needs.is_met(facts):
            raise UserError(f"Control {text} expects {needs.text}. Leave it out.")
    fitting = [name for name, control in known_controls().items() if not control.needs or control.needs.is_met(facts)]
    return list(dict.fromkeys([*(fitting if ALL in controls else []), *named]))
