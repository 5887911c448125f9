"""Compares heads with n-gram chains on EPIC-Kitchens-100 next actions from past labels: verb, noun and action.

Command:   python recipes/epic_next_action.py --data FOLDER [--kinds verb] [--heads gru] [--seeds 0] [--adjust true]
           FOLDER holds the annotations, official or RULSTM's short ones, and both class lists (the layout `epic`).
Cost:      2 to 4 minutes on one core per kind and seed for gru, lstm and memory, about 8 for conv and window, whose
           states are large and are asked at 64 times of a clip; an interrupted run resumes.
Expected:  for each kind the heads, all n-gram chains, the differences from the best chain, a table of contexts from 1
           to 256 past actions, and a figure. All heads have the number of parameters of gru, projections included; the
           contexts of window and conv are longer than 256 actions. With --adjust also gru and the best chain with
           scores adjusted for class-mean recall, and the loss of accuracy: verbs 19.0 to 29.3 (chain 22.2 to 27.8),
           nouns 36.1 to 45.3 (40.5 to 43.9), seed 0.

The input is the true labels of past actions, no pixels. A frame is an action: its one-hot verb and noun, its duration,
and the time since the last action began. The next action is forecast from all actions that began before it, whatever
the time between them (as in n-gram figures for this data set). Queries ask for the 9,530 validation actions that are
not the first of their video.

Nothing is chosen on the validation videos. Some participants are held out of training. The order of the best chain and
the strength of the adjustment are chosen on them in each run. The settings below were chosen on them once, with gru:
clips of random lengths rather than of the last 16 actions, and the epochs for verbs (used for nouns too) and for
actions. Then models and chains learn from all training videos. Intervals resample participants; 30 of 32 also cook in
training videos, according to the official split.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vidseq import load_model
from vidseq.cli import run_script
from vidseq.comparison import equal_size
from vidseq.data import QuerySet, hold_out
from vidseq.evaluation import (
    Run,
    answer_baselines,
    concatenate,
    context_figure,
    evaluate,
    pivot_accuracy,
    read_rows,
    rows_panel,
    write_rows,
)
from vidseq.features import FeatureStore
from vidseq.forecasting import HELD_OUT, adjusted_table, best_chain, next_action_table, next_actions_of
from vidseq.heads import head_names
from vidseq.importers import epic_steps
from vidseq.inference import Predictor
from vidseq.reporting import save_figure, to_markdown, write_table
from vidseq.training import ResolvedConfig, fit

CONTEXTS = "1f,2f,4f,8f,16f,32f,64f,128f,256f,full"
SETTINGS = ResolvedConfig(
    head="gru",
    dim=128,
    full_context=0.0,
    max_clip_seconds=256,
    queries_per_clip=64,
    batch_size=16,
    lr=4e-3,
    patience=None,
)
#: Settings by kind: thousands of action classes need no smoothing, and more epochs.
OPTIONS = {"verb": {"label_smoothing": 0.1}, "noun": {"label_smoothing": 0.1}, "action": {}}
EPOCHS = {"verb": 8, "noun": 8, "action": 12}


def main(
    data: Path,
    out: Path = Path("runs/epic_next_action"),
    kinds: str = "verb,noun,action",
    heads: str = "gru",
    seeds: str = "0,1,2",
    contexts: str = CONTEXTS,
    longest_chain: int = 8,
    epochs: int | None = None,
    dim: int = SETTINGS.dim,
    limit: int | None = None,
    adjust: bool = False,
) -> None:
    """Trains and scores next actions, and compares them with chains.

    Args:
        data: folder of the annotations.
        out: folder for data sets, runs, rows, tables and the figure.
        kinds: what to predict: verb, noun, action.
        heads: names of heads, or "all"; each gets the number of parameters of the settings' head.
        seeds: training seeds, such as "0,1".
        contexts: numbers of past actions to show; "full": all.
        longest_chain: chains use 1 to this many past labels.
        epochs: passes over the training videos; None: those of each kind.
        dim: width of the model.
        limit: largest number of queries, for a short trial.
        adjust: also adjust the scores of the settings' head and of the best chain for class-mean recall.
    """
    tables: list[pd.DataFrame] = []
    for kind in kinds.split(","):
        dataset, store = epic_steps(data, out, kind)
        chains = [f"ngram:{order}" for order in range(1, longest_chain + 1)]
        best = best_chain(dataset, store, chains)
        print(f"{kind}: the best chain on held-out participants is {best}.", flush=True)
        query_set = QuerySet(dataset, store, "test", next_actions_of(dataset, "test")[:limit])
        training = next_actions_of(dataset, "train")
        rows = [table for chain in chains for table in answer_baselines(query_set, [chain], training, Run(run=chain))]
        config = dataclasses.replace(
            SETTINGS, dim=dim, epochs=epochs or EPOCHS[kind], tasks={"next_action": OPTIONS[kind]}
        )
        for head in head_names(heads):
            sized, parameters = equal_size(head, config, dataset, store, frames=256)
            print(f"{head}: width {sized.dim}, options {sized.head_options}, {parameters:,} parameters.", flush=True)
            for seed in map(int, seeds.split(",")):
                run = out / f"{kind}-{head}-seed{seed}"
                fit(dataset, store, dataclasses.replace(sized, seed=seed), run, resume=True)
                rows.append(score(run, sized.head, seed, query_set, store, contexts.split(",")))
        tables.append(concatenate(rows))
        write_rows(tables[-1], out / f"{kind}.parquet")
        report(tables[-1], kind, best, out)
        if adjust:
            report_adjusted(config, [int(seed) for seed in seeds.split(",")], query_set, store, kind, best, out)
    if len(contexts.split(",")) > 1:
        draw(concatenate(tables), kinds.split(","), out)


def score(
    run: Path, head: str, seed: int, query_set: QuerySet, store: FeatureStore, contexts: Sequence[str]
) -> pd.DataFrame:
    """Returns the rows of a run; they are stored in its folder and reused for the same queries and contexts."""
    file = run / "rows.parquet"
    if file.is_file():
        rows = read_rows(file)
        if set(rows["context"]) == set(contexts) and set(rows["query"]) == set(query_set.names):
            return rows
    predictor = Predictor(load_model(run, "cpu", fingerprint=store.fingerprint))
    about = Run(run=run.name, head=head, seed=seed)
    # Evaluates one context at a time, because thousands of scores per query need much memory.
    rows = concatenate(
        [
            evaluate(
                predictor, query_set.dataset, store, "test", queries=query_set.queries, contexts=context, run=about
            )
            for context in contexts
        ]
    )
    write_rows(rows, file)
    return rows


def report(rows: pd.DataFrame, kind: str, best: str, out: Path) -> None:
    """Prints and writes the tables of one kind."""
    plain = rows[rows["control"] == ""]
    full = plain[plain["context"] == "full"]
    models = {str(head): part for head, part in full.groupby("head", sort=False)}
    chains = {str(chain): part for chain, part in rows[rows["control"] != ""].groupby("control", sort=False)}
    table = next_action_table(models, chains, [best])
    table.insert(0, "kind", kind)
    table["by"] = table["by"].replace({best: f"{best} (best, held out)"})
    write_table(table, out / f"{kind}.md")
    print(to_markdown(table))
    print(
        f"{kind}: intervals over {full['group'].nunique()} participants, {full['seed'].nunique()} seeds.", flush=True
    )
    curves = pivot_accuracy(plain, index="context")
    write_table(curves, out / f"{kind}_contexts.md")
    print(to_markdown(curves), flush=True)


def report_adjusted(
    config: ResolvedConfig,
    seeds: Sequence[int],
    query_set: QuerySet,
    store: FeatureStore,
    kind: str,
    best: str,
    out: Path,
) -> None:
    """Adjusts the scores of the model and of the best chain by class frequency, for class-mean recall.

    The strength of the adjustment is chosen on held-out participants.
    """
    choosing = hold_out(query_set.dataset, HELD_OUT)
    run = out / f"{kind}-{config.head}-held-out"
    fit(choosing, store, config, run, resume=True)
    held_out = QuerySet(choosing, store, "val", next_actions_of(choosing, "val"))
    runs = [run, *(out / f"{kind}-{config.head}-seed{seed}" for seed in seeds)]
    choosing_model, *models = (Predictor(load_model(run, "cpu", fingerprint=store.fingerprint)) for run in runs)
    table = adjusted_table({config.head: models}, choosing_model, best, query_set, held_out, store)
    write_table(table, out / f"{kind}_adjusted.md")
    print(f"{kind}, adjusted for class-mean recall\n\n{to_markdown(table)}", flush=True)


def draw(rows: pd.DataFrame, kinds: Sequence[str], out: Path) -> None:
    """Draws accuracy against the number of past actions shown, with three chains."""
    shown = rows[rows["control"].isin(["", "ngram:1", "ngram:2", "ngram:3"])]
    panels = [rows_panel(kind, shown[shown["dataset"] == f"epic_kitchens_100_{kind}"]) for kind in kinds]
    title = "EPIC-Kitchens-100: next action from past labels"
    for path in save_figure(context_figure(panels, title=title), out / "context"):
        print(path)


if __name__ == "__main__":
    run_script(main)
