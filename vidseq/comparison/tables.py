"""Makes the tables of a comparison from rows and costs."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from vidseq.comparison.plan import ComparisonPlan
from vidseq.context.effective import effective_context
from vidseq.evaluation.intervals import FewGroupsWarning, Interval, accuracy_interval, paired_difference
from vidseq.evaluation.pairing import context_names, pair_answers


def comparison_table(plan: ComparisonPlan, rows: pd.DataFrame, costs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Makes a table with a line per head: shares as fractions, intervals as `..._low` and `..._high`.

    Args:
        plan: the comparison.
        rows: rows of all finished runs.
        costs: cost of each finished run: head, seed, the fields of `run_trial`, and stream_milliseconds.

    Returns:
        the heads in the order of the plan; heads without a finished run are left out.
    """
    rows_of = {str(name): part for name, part in rows.groupby("head", sort=False)}
    contexts = chosen_contexts(rows)
    best = best_head(rows)
    table = pd.DataFrame(costs)
    lines = []
    for candidate in plan.candidates:
        if candidate.head not in rows_of:
            continue
        own, cost = rows_of[candidate.head], table[table["head"] == candidate.head].drop(columns=["head", "seed"])
        line: dict[str, Any] = {
            "head": candidate.head,
            "dim": candidate.dim,
            "options": ", ".join(f"{name}={value}" for name, value in candidate.options.items()),
            "matched": candidate.matched,
            "excess": candidate.excess,
            "seeds": own["seed"].nunique(),
        }
        with warnings.catch_warnings():  # the table has a column with the number of groups
            warnings.simplefilter("ignore", FewGroupsWarning)
            for length, context in contexts.items():
                line |= _ends(f"accuracy_{length}", accuracy_interval(_at(own, context)))
            line |= _ends("difference", _difference(own, rows_of[best], contexts["full"]))
            found = effective_context(pair_answers(own)) if len(context_names(own)) > 1 else None
        line["effective_context"] = "" if found is None else str(found)
        line |= cost.mean().to_dict()
        lines.append({**line, "queries": own["query"].nunique(), "groups": own["group"].nunique()})
    return pd.DataFrame(lines)


def text_table(table: pd.DataFrame) -> pd.DataFrame:
    """Formats the table for readers: percent with intervals, counts with thousands separators."""
    contexts = [name for name in ("short", "middle", "full") if f"accuracy_{name}" in table.columns]
    lines = []
    for line in table.to_dict("records"):
        short = {f"{name}, %": _percent(line, f"accuracy_{name}") for name in contexts}
        lines.append(
            {
                "head": line["head"],
                **short,
                "full less best's": _percent(line, "difference", signed=True),
                "effective context": line["effective_context"] or "–",
                "parameters": f"{line['head_parameters']:,.0f}",
                "FLOPs a frame": f"{line['flops_a_frame']:,.0f}",
                "state bytes": f"{line['state_bytes']:,.0f}",
                "off budget": f"{100 * line['excess']:+.1f}%" + ("" if line["matched"] else " NOT MATCHED"),
                "width": f"{line['dim']}" + (f" ({line['options']})" if line["options"] else ""),
                "whole model": f"{line['model_parameters']:,.0f}",
                "ms a frame": f"{line['stream_milliseconds']:.2f}",
                "training, s": f"{line['train_seconds']:.0f}",
                "seeds": line["seeds"],
            }
        )
    return pd.DataFrame(lines)


def notes(plan: ComparisonPlan, table: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Returns the notes on the table, one per line."""
    contexts = chosen_contexts(rows)
    shown = ", ".join(f"{name} = {context}" for name, context in contexts.items())
    groups = rows["group"].nunique()
    few = f" Only {groups}: intervals are rough." if 1 < groups < 20 else ""
    few = " One group only says nothing about others, so there are no intervals." if groups == 1 else few
    unmatched = [str(name) for name in table.loc[~table["matched"], "head"]]
    lines = [
        plan.rule + (f" Not within it: {', '.join(unmatched)}." if unmatched else ""),
        f"Context: {shown}. {rows['query'].nunique()} queries of split {plan.split}, seeds "
        f"{', '.join(map(str, plan.seeds))}; every head is trained with the same settings and number of epochs.",
        f"Brackets: 95% bootstrap intervals over {groups} groups and seeds, queries paired where heads are "
        f"compared.{few}",
        f"The best is the highest mean at full context ({best_head(rows)}), chosen on these very queries, which "
        f"flatters it; differences are not corrected for the number of heads.",
        "Effective context: the bracket (too short, long enough]; see vidseq.context.effective.",
        "FLOPs: products of matrices when a whole video is read; gates, norms, softmax and scans are not counted. "
        f"Bytes of state after {plan.frames} frames. Milliseconds: one live frame on one thread, the best of three "
        "rounds. Training: seconds on one thread beside the other runs, mean over seeds.",
    ]
    return "\n".join(lines) + "\n"


def chosen_contexts(rows: pd.DataFrame) -> dict[str, str]:
    """Returns the contexts for the columns short, middle and full; fewer if fewer were tested."""
    names = context_names(rows)
    chosen = {"short": names[0], "middle": names[(len(names) - 1) // 2], "full": names[-1]}
    return {
        length: name for length, name in chosen.items() if length == "full" or list(chosen.values()).count(name) == 1
    }


def best_head(rows: pd.DataFrame) -> str:
    """Returns the head with the highest accuracy at the longest context."""
    return str(_at(rows, chosen_contexts(rows)["full"]).groupby("head", sort=False)["correct"].mean().idxmax())


def _at(rows: pd.DataFrame, context: str) -> pd.DataFrame:
    return rows[(rows["control"] == "") & (rows["context"] == context)]


def _difference(own: pd.DataFrame, best: pd.DataFrame, context: str) -> Interval:
    one, other = _at(own, context), _at(best, context)
    shared = set(one["seed"]) & set(other["seed"])  # the common seeds, because a run may have failed
    if shared:
        one, other = one[one["seed"].isin(shared)], other[other["seed"].isin(shared)]
    return paired_difference(one, other)


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _percent(line: Mapping[Any, Any], name: str, signed: bool = False) -> str:
    mean, low, high = (100 * line[f"{name}{end}"] for end in ("", "_low", "_high"))
    sign = "+" if signed else ""
    if signed and mean == low == high == 0:
        return "best"
    return f"{mean:{sign}.1f}" if low != low else f"{mean:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"
