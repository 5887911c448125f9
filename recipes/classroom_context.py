"""Checks the context report against known evidence, with a trained head on the symbolic classroom.

Command:   python recipes/classroom_context.py [--head window] [--out runs/classroom_context]
Cost:      about 4 minutes on one core; an interrupted run or sweep resumes.
Expected:  first_last (which card or programme was first or last): 99% with all of the past, 23% with none of the
           evidence; color_then: 69% and 0%; color_now (100%) and doing (92%) are flat.

Symbolic observations are noisy vectors of what is visible, no pixels. The recipe tests what the report shows for a
model that has learnt to use the past. The last table compares it with the truth: if a context shows none of the
evidence, a model can only guess; if it shows all of it, a model that has learnt the family is right.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from vidseq.classroom import ClassroomConfig, generate
from vidseq.cli import run_script
from vidseq.context import Sweep, measure_context
from vidseq.data import Dataset
from vidseq.evaluation import accuracy_interval, read_rows
from vidseq.features import FeatureStore
from vidseq.reporting import to_markdown, write_table
from vidseq.training import ResolvedConfig, fit

WORLD = ClassroomConfig(
    observations="symbolic",
    train_videos=1200,
    val_videos=0,
    test_videos=120,
    seconds=30.0,
    min_children=1,
    max_children=2,
    feature_fps=2,
    families=("color_now", "doing", "first_last", "color_then"),
)
TRAINING = ResolvedConfig(
    head="window",
    head_options={"window": 72, "layers": 1},
    dim=64,
    epochs=10,
    batch_size=16,
    lr=3e-3,
    feature_dropout=0.0,
    full_context=0.7,
    patience=None,
)
CONTEXTS = "1f,1s,2s,4s,8s,16s,full"
CONTROLS = ("blind", "shuffled", "swapped_past:1s", "evidence_only", "majority")
#: The part of a query's evidence that a context shows, and the controls to compare with.
SHOWN = ("none", "part", "all", "blind", "evidence_only")


def main(
    out: Path = Path("runs/classroom_context"),
    world: ClassroomConfig = WORLD,
    training: ResolvedConfig = TRAINING,
    contexts: str = CONTEXTS,
) -> None:
    """Generates the classroom, trains, sweeps, and compares with the truth.

    Args:
        out: folder for the data set, the run and the report.
        world: options of the generated classroom.
        training: training config.
        contexts: the contexts of the sweep.
    """
    data, run = out / "data", out / "runs" / f"{training.head}-seed{training.seed}"
    dataset = Dataset.load(generate(data, world, workers=1))
    fit(dataset, FeatureStore.open_in(data), training, run, resume=True)
    sweep = Sweep(data=data, models=(run,), contexts=contexts, controls=CONTROLS)
    print(measure_context(sweep, out / "report"))
    table = by_evidence(read_rows(out / "report" / "rows.parquet"))
    write_table(table, out / "by_evidence.md")
    print(to_markdown(table))


def by_evidence(rows: pd.DataFrame) -> pd.DataFrame:
    """Computes accuracy by family and by the part of the evidence that a context shows, with 95% intervals.

    Args:
        rows: rows of a model at several contexts, with the controls blind and evidence_only.

    Returns:
        a line per family with the columns none (the context shows no evidence), part, all (it reaches back to the
        start of the evidence), blind, evidence_only: percent, with the number of answers; a dash without answers.
    """
    asked = rows[rows["reach_seconds"].notna()]
    lengths = asked[(asked["control"] == "") & np.isfinite(asked["context_seconds"])]
    none = lengths["context_seconds"] <= lengths["evidence_age_seconds"]
    part = lengths["context_seconds"] < lengths["reach_seconds"]
    lengths = lengths.assign(shown=np.select([none, part], ["none", "part"], "all"))
    controls = asked[asked["control"].isin(["blind", "evidence_only"])]
    table = pd.concat([lengths, controls.assign(shown=controls["control"])])
    lines = []
    for family, of_family in table.groupby("family", sort=False):
        found = {str(shown): _percent(answers) for shown, answers in of_family.groupby("shown")}
        lines.append(
            {
                "family": family,
                **{shown: found.get(shown, "–") for shown in SHOWN},
                "queries": of_family["query"].nunique(),
            }
        )
    return pd.DataFrame(lines)


def _percent(rows: pd.DataFrame) -> str:
    interval = accuracy_interval(rows)
    return f"{100 * interval.mean:.0f} [{100 * interval.low:.0f}, {100 * interval.high:.0f}] of {len(rows):,}"


if __name__ == "__main__":
    run_script(main)
