"""What is compared: which heads at which widths, over which seeds; written down, so that two do not mix."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vidseq.analysis.budget import MATCHES, TOLERANCE, Size, match_size, measure
from vidseq.errors import UserError, unknown_name
from vidseq.heads import head_names, make_head
from vidseq.progress import progress
from vidseq.training.config import TrainConfig

#: The kind of folder that a comparison claims.
KIND = "comparison"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A head at the size it is trained at."""

    head: str
    dim: int
    options: Mapping[str, Any]
    value: float
    """What it has of that which shall be equal."""
    excess: float
    """By what share it has more than the budget."""

    @property
    def matched(self) -> bool:
        """Whether it is as near to the budget as a fair comparison wants."""
        return abs(self.excess) <= TOLERANCE


@dataclass(frozen=True, kw_only=True)
class ComparisonPlan:
    """A comparison: everything that its numbers depend on."""

    match: str
    """One of `vidseq.analysis.budget.MATCHES`."""
    count: str
    """"head": the head alone has the budget; "model": with all that enters and leaves it (parameters alone)."""
    budget: float
    frames: int
    """Length of the video that FLOPs a frame, bytes of state and milliseconds are told for."""
    candidates: tuple[Candidate, ...]
    seeds: tuple[int, ...]
    split: str
    contexts: str
    controls: tuple[str, ...]
    training: Mapping[str, Any]
    """The same for all: every field of `TrainConfig` but head, its options, width and seed."""
    dataset: str
    features: str
    """Name of their fingerprint."""

    @property
    def rule(self) -> str:
        """How the heads were made equal, in a sentence."""
        what, at = MATCHES[self.match], "" if self.match == "params" else f", at {self.frames} frames"
        whose = "the head, without what enters and leaves it" if self.count == "head" else "the whole model"
        return f"Matched: {what} of {whose}{at}; budget {self.budget:,.0f}, within {TOLERANCE:.0%} unless marked."


def make_plan(
    heads: str,
    match: str,
    *,
    outside: Callable[[int], float] | None,
    budget: float | None,
    frames: int,
    seeds: Sequence[int],
    options: Mapping[str, Mapping[str, Any]],
    training: TrainConfig,
    split: str,
    contexts: str,
    controls: Sequence[str],
    dataset: str,
    features: str,
) -> ComparisonPlan:
    """Solves the widths.

    Args:
        heads: names, such as "conv,lstm"; "all" is every head.
        match: one of `vidseq.analysis.budget.MATCHES`.
        outside: parameters of all that is not the head, at a width, to be matched too; None: the head alone counts.
        budget: of each head; None: what the first one has at the training's `dim`.
        frames: see `ComparisonPlan`.
        seeds: of training.
        options: of some heads, by name.
        training: how all are trained; its head, head options and seed do not count.
        split: which videos are asked about.
        contexts: how much of the past is shown.
        controls: what is taken away.
        dataset: its name.
        features: name of their fingerprint.

    Raises:
        UserError: unknown names, a head or seed twice, options of a head that is not compared, or a budget that a head
            cannot come near.
    """
    names = head_names(heads)
    _refuse_twice("heads", names)
    _refuse_twice("seeds", seeds)
    if match not in MATCHES:
        raise unknown_name("match", match, MATCHES)
    if outside is not None and match != "params":
        raise UserError(f"Comparison expects the whole model to be counted with match 'params' alone, got '{match}'.")
    if budget is not None and not budget > 0:
        raise UserError(f"Comparison expects a budget above 0, got {budget:g}.")
    for name in options:
        if name not in names:
            raise unknown_name("head of this comparison", name, names)
    candidates, bar = [], progress(names, what="solving widths", unit="head")
    for name in bar:
        own = options.get(name, {})
        if budget is None:
            budget = measure(make_head(name, training.dim, own), match, frames)
            budget += outside(training.dim) if outside else 0
            size = Size(training.dim, own, budget)
        else:
            size = match_size(name, match, budget, frames=frames, options=own, outside=outside)
        candidates.append(
            Candidate(
                head=name, dim=size.dim, options=size.options, value=size.value, excess=round(size.excess(budget), 4)
            )
        )
    assert budget is not None
    left_out = ("head", "head_options", "dim", "seed", "device", "strategy")
    shared = {name: value for name, value in dataclasses.asdict(training).items() if name not in left_out}
    return ComparisonPlan(
        match=match,
        count="head" if outside is None else "model",
        budget=budget,
        frames=frames,
        candidates=tuple(candidates),
        seeds=tuple(seeds),
        split=split,
        contexts=contexts,
        controls=tuple(controls),
        training=shared,
        dataset=dataset,
        features=features,
    )


def plan_fields(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Lists the fields of a plan that was written as JSON, in an order in which the first difference says most."""
    sizes = {one["head"]: one for one in plan.get("candidates", ())}
    flat = {"dataset": plan.get("dataset"), "features": plan.get("features"), "heads": list(sizes)}
    flat |= {
        name: plan.get(name)
        for name in ("match", "count", "budget", "frames", "seeds", "split", "contexts", "controls")
    }
    flat |= {f"training.{name}": value for name, value in plan.get("training", {}).items()}
    return flat | {f"size of {head}": size for head, size in sizes.items()}


def _refuse_twice(what: str, values: Sequence[object]) -> None:
    for value in values:
        if list(values).count(value) > 1:
            raise UserError(f"Comparison expects different {what}, got {value} twice.")
