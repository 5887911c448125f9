"""Plans a comparison: the heads with their widths, and the seeds; its file keeps two comparisons apart."""

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
    """A head with the size at which it is trained."""

    head: str
    dim: int
    options: Mapping[str, Any]
    value: float
    """Its size in the matched measure."""
    excess: float
    """The fraction by which its size exceeds the budget."""

    @property
    def matched(self) -> bool:
        """Whether its size is within the tolerance of the budget."""
        return abs(self.excess) <= TOLERANCE


@dataclass(frozen=True, kw_only=True)
class ComparisonPlan:
    """A comparison: everything that its results depend on."""

    match: str
    """One of `vidseq.analysis.budget.MATCHES`."""
    count: str
    """"head": the budget counts the head; "model": it counts the whole model (only for parameters)."""
    budget: float
    frames: int
    """Length of the video for FLOPs per frame, bytes of state and milliseconds."""
    candidates: tuple[Candidate, ...]
    seeds: tuple[int, ...]
    split: str
    contexts: str
    controls: tuple[str, ...]
    training: Mapping[str, Any]
    """The common settings: every field of `TrainConfig` but the head, its options, width and seed."""
    dataset: str
    features: str
    """Name of the features' fingerprint."""

    @property
    def rule(self) -> str:
        """A sentence on how the heads were matched."""
        what, at = MATCHES[self.match], "" if self.match == "params" else f", at {self.frames} frames"
        whose = "the head, without projection and decoders" if self.count == "head" else "the whole model"
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
    """Finds the widths of all heads, and makes the plan.

    Args:
        heads: names of heads, such as "conv,lstm"; "all" is every head.
        match: one of `vidseq.analysis.budget.MATCHES`.
        outside: returns the parameters outside the head at a width, which count too; None: only the head counts.
        budget: the budget of each head; None: the size of the first head at the training's `dim`.
        frames: see `ComparisonPlan`.
        seeds: training seeds.
        options: options of heads by name.
        training: training config of all heads; its head, head options and seed are not used.
        split: the split to evaluate.
        contexts: the contexts to evaluate.
        controls: the controls to evaluate.
        dataset: name of the data set.
        features: name of the features' fingerprint.

    Raises:
        UserError: a name is unknown, a head or seed comes twice, options name a head that is not compared, or a head
            cannot come near the budget.
    """
    names = head_names(heads)
    _refuse_twice("heads", names)
    _refuse_twice("seeds", seeds)
    if match not in MATCHES:
        raise unknown_name("match", match, MATCHES)
    if outside is not None and match != "params":
        raise UserError(f"Comparison expects match 'params' to count the whole model, got '{match}'. Count the head.")
    if budget is not None and not budget > 0:
        raise UserError(f"Comparison expects a budget above 0, got {budget:g}.")
    for name in options:
        if name not in names:
            raise unknown_name("head of this comparison", name, names)
    dim = training.resolved().dim
    candidates, bar = [], progress(names, what="solving widths", unit="head")
    for name in bar:
        own = options.get(name, {})
        if budget is None:
            budget = measure(make_head(name, dim, own), match, frames)
            budget += outside(dim) if outside else 0
            size = Size(dim, own, budget)
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
