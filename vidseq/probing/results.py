"""What probes found: a row for each family and question, as a table, CSV or JSON."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vidseq.baselines.majority import Majority
from vidseq.evaluation.intervals import Interval
from vidseq.files import atomic_path

#: The probes, in the order of the table's columns.
PROBES = ("linear", "network", Majority.name)
#: What a probe may look at.
NEWEST, EVIDENCE = "newest frame", "evidence frames"


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """The accuracy of the probes on one family of queries, or on one question of it."""

    kind: str
    family: str
    question: str
    """The text; "" for the whole family."""
    frames: str
    """What the probes look at: the newest frame, or the mean of the frames of the evidence."""
    accuracy: Mapping[str, Interval]
    """By probe, see `PROBES`."""
    num_training: int
    evidence_age_seconds: float
    """Median time from the end of the newest evidence to the query, where that is older than the newest frame; else
    NaN."""
    old_evidence: float
    """Share of the queries with evidence that the newest frame is not part of."""

    @property
    def note(self) -> str:
        """A caution for whoever reads the accuracy of the newest frame; "" if there is none."""
        if self.frames == EVIDENCE or not self.old_evidence:
            return ""
        return f"{self.old_evidence:.0%} ask about the past ({self.evidence_age_seconds:.1f} s ago)"

    def record(self) -> dict[str, Any]:
        """All values, flat: accuracies with both ends of their intervals."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name, interval in values.pop("accuracy").items():
            values |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
        interval = self.accuracy[PROBES[0]]
        return {**values, "num_queries": interval.num_queries, "num_groups": interval.num_groups}


@dataclass(frozen=True)
class ProbeReport:
    """All results of a data set and its features."""

    results: Sequence[ProbeResult]
    left_out: Mapping[str, str]
    """Why each family that was not probed was not."""
    features: str
    """Name of the features."""
    split: str

    def records(self) -> list[dict[str, Any]]:
        """A flat record for each result; unknown numbers are None."""
        records = [{"features": self.features, "split": self.split, **result.record()} for result in self.results]
        return [
            {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
            for row in records
        ]

    def to_json(self) -> str:
        """A JSON object for each result, a line each."""
        return "\n".join(json.dumps(record, ensure_ascii=False) for record in self.records())

    def write_csv(self, path: Path) -> None:
        """Writes a row for each result."""
        with atomic_path(path) as temporary:
            pd.DataFrame(self.records()).to_csv(temporary, index=False)

    def table(self, *, questions: bool = False) -> str:
        """The results as text for readers: accuracy in percent with 95% intervals over groups.

        Args:
            questions: show a line for each question, too, not for families alone.
        """
        shown = [result for result in self.results if questions or not result.question]
        lines = [f"Features {self.features}, split {self.split}; accuracy in percent, 95% intervals over groups."]
        if shown:
            lines += ["", pd.DataFrame([_line(result) for result in shown]).to_string(index=False)]
        lines += [f"left out: {name}: {reason}" for name, reason in self.left_out.items()]
        return "\n".join(lines)


def _line(result: ProbeResult) -> dict[str, object]:
    name = result.family if result.family == result.kind else f"{result.kind} {result.family}"
    return {
        "asked": f'  "{result.question}"' if result.question else name,
        "looks at": result.frames,
        **{probe: result.accuracy[probe].in_percent() for probe in PROBES},
        "queries": result.accuracy[PROBES[0]].num_queries,
        "groups": result.accuracy[PROBES[0]].num_groups,
        "training": result.num_training,
        "note": result.note,
    }
