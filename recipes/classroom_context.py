"""The context tool beside a known truth: a trained head on the symbolic classroom, where all evidence is known.

Command:   python recipes/classroom_context.py [--head window] [--out runs/classroom_context]
Cost:      COST
Expected:  EXPECTED

Symbolic observations are noisy vectors of what is visible, no pixels: the question is here what the tool tells of a
model that has learnt to look back. "Aligned" is accuracy by how a context compares with how far back the evidence of
a query begins: below 1 it is not all shown, from 1 on it is.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from jsonargparse import auto_cli

from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.generate import generate
from vidseq.data.dataset import Dataset
from vidseq.evaluation.context_verb import measure_context
from vidseq.evaluation.intervals import accuracy_interval
from vidseq.evaluation.rows import read_rows
from vidseq.evaluation.sweep import Sweep
from vidseq.evaluation.table import to_markdown, write_table
from vidseq.features.store import FeatureStore
from vidseq.training import TrainConfig, fit

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
TRAINING = TrainConfig(
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
#: A context is compared with the reach of the evidence in these steps.
EDGES = (0.25, 0.5, 1.0, 2.0, 4.0)


def main(
    out: Path = Path("runs/classroom_context"),
    world: ClassroomConfig = WORLD,
    training: TrainConfig = TRAINING,
    contexts: str = CONTEXTS,
) -> None:
    """Generates the classroom, trains, sweeps, and compares with the truth.

    Args:
        out: folder for the data set, the run and the report.
        world: what to generate.
        training: how to train.
        contexts: how much of the past to show.
    """
    data, run = out / "data", out / "runs" / f"{training.head}-seed{training.seed}"
    dataset = Dataset.load(generate(data, world, workers=1))
    fit(dataset, FeatureStore.open_in(data), training, run, resume=True)
    sweep = Sweep(data=data, models=(run,), contexts=contexts, controls=CONTROLS)
    print(measure_context(sweep, out / "report"))
    table = aligned(read_rows(out / "report" / "rows.parquet"))
    write_table(table, out / "aligned.md")
    print(to_markdown(table))


def aligned(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each family by context as a share of the reach of the query's evidence, with 95% intervals.

    Args:
        rows: of a model at several contexts, reach known of some queries.

    Returns:
        a line a family, a column a range of shares; where there are no answers, a dash.
    """
    known = rows[(rows["control"] == "") & np.isfinite(rows["context_seconds"]) & rows["reach_seconds"].notna()]
    share = known["context_seconds"] / known["reach_seconds"]
    names = [f"below {EDGES[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(EDGES)), f"{EDGES[-1]:g} or more"]
    # A context just as long as the reach shows all of the evidence.
    known = known.assign(share=[names[place] for place in np.searchsorted(EDGES, share, side="right")])
    lines = []
    for family, part in known.groupby("family", sort=False):
        cells = dict.fromkeys(names, "–")
        for name, answers in part.groupby("share"):
            interval = accuracy_interval(answers)
            cells[str(name)] = f"{100 * interval.mean:.0f} [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"
        lines.append({"context / reach": family, **cells})
    return pd.DataFrame(lines)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
