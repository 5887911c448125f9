"""Controls by name: what a model scores with less input, and what baselines score without a model."""

from collections.abc import Iterable, Mapping, Sequence

from vidseq.baselines.baseline import Baseline
from vidseq.baselines.control import Control, QueryFacts, parse_control
from vidseq.baselines.registry import BASELINES
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.input_controls import INPUT_CONTROLS, InputControl

#: Stands for every control that fits the queries.
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
    """Refuses a control that does not exist, or whose parameter cannot be read; errors as in `parse_control`."""
    for control in controls:
        find_control(control)


def choose_controls(
    controls: Sequence[str], queries: Iterable[Query], *, num_groups: int, has_segments: bool
) -> list[str]:
    """Replaces "all" by every control that these queries can be put to.

    Args:
        controls: names, with or without "all" among them.
        queries: what will be asked.
        num_groups: how many groups the split has.
        has_segments: whether the labels of past segments are known.

    Returns:
        each control once.

    Raises:
        UserError: an unknown control, or a named one that has nothing to work on.
    """
    facts = QueryFacts.of(queries, has_segments=has_segments, num_groups=num_groups)
    named = [control for control in controls if control != ALL]
    for text in named:
        needs = find_control(text).needs
        if needs and not needs.is_met(facts):
            raise UserError(f"Control {text} expects {needs.text}. Leave it out.")
    fitting = [name for name, control in known_controls().items() if not control.needs or control.needs.is_met(facts)]
    return list(dict.fromkeys([*(fitting if ALL in controls else []), *named]))
