"""Times a sweep over contexts with shared work against a plain loop over queries and contexts.

Command:   python tools/benchmark_context.py --out runs/benchmark_context
Cost:      some minutes on one CPU core.
Expected:  for each head the seconds of both, their ratio, and whether the rows are equal.

The data is a symbolic classroom (no pixels). The models have random weights, which does not change their speed. The
plain loop runs on a random sample of the queries and its time is scaled, unless --sample 0 asks for all queries.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from vidseq import VideoReasoner
from vidseq.classroom import ClassroomConfig, generate
from vidseq.cli import run_script
from vidseq.data import Dataset, Query, QuerySet
from vidseq.evaluation import Context, Run, ask_model, concatenate, parse_contexts, queries_for, queries_of_split
from vidseq.features import FeatureStore
from vidseq.inference import Predictor
from vidseq.reporting import to_markdown
from vidseq.training import TrainConfig, build_model, fit_statistics, make_clip_dataset

#: Twelve lengths.
CONTEXTS = "1f,0.5s,1s,2s,4s,8s,12s,16s,24s,32s,48s,full"
#: Largest allowed difference of float32 scores whose sums have another order.
TOLERANCE = 1e-4


def main(
    out: Path = Path("runs/benchmark_context"),
    heads: str = "window,lstm",
    queries: int = 10_000,
    contexts: str = CONTEXTS,
    sample: int = 100,
    dim: int = 128,
    videos: int = 120,
    seed: int = 0,
) -> None:
    """Runs the benchmark.

    Args:
        out: folder of the classroom, which is generated once.
        heads: names of the heads.
        queries: number of queries.
        contexts: the contexts.
        sample: number of queries of the plain loop; 0: all.
        dim: width of the models.
        videos: number of test videos.
        seed: seed of the classroom, the weights and the sample.
    """
    torch.set_num_threads(1)
    dataset = Dataset.load(make_classroom(out / "data", videos, queries // videos + 1, seed))
    store = FeatureStore.open_in(dataset.folder)
    lines = [measure(dataset, store, head, queries, contexts, sample, dim, seed) for head in heads.split(",")]
    print(to_markdown(pd.DataFrame(lines), digits=1))


def make_classroom(folder: Path, videos: int, questions: int, seed: int) -> Path:
    """Generates a symbolic classroom with a minute of video and many questions per video, unless it exists."""
    config = ClassroomConfig(
        train_videos=4, val_videos=0, test_videos=videos, seconds=60.0, questions_per_video=questions,
        observations="symbolic", pair_fraction=0.0, seed=seed,
    )  # fmt: skip
    return folder if (folder / "dataset.json").is_file() else Path(generate(folder, config, workers=2))


def measure(
    dataset: Dataset, store: FeatureStore, head: str, queries: int, contexts: str, sample: int, dim: int, seed: int
) -> dict[str, object]:
    """Times the sweep and the plain loop for one head."""
    predictor = Predictor(make_model(dataset, store, head, dim, seed))
    asked = queries_of_split(dataset, "test", queries_for(predictor.model, dataset))[:queries]
    query_set = QuerySet(dataset, store, "test", asked)
    lengths = parse_contexts(contexts, query_set.longest_seconds)
    shared, shared_seconds = timed(predictor, query_set, lengths, share=True)
    chosen = draw(asked, sample, seed)
    small = QuerySet(dataset, store, "test", chosen)
    plain, plain_seconds = timed(predictor, small, lengths, share=False)
    scaled = plain_seconds * len(asked) / len(chosen)
    return {
        "head": head,
        "queries": len(asked),
        "lengths": len(lengths),
        "shared (s)": shared_seconds,
        "plain (s)": scaled,
        "plain, measured on": len(chosen),
        "ratio": scaled / shared_seconds,
        "rows": compare(shared, plain),
    }


def make_model(dataset: Dataset, store: FeatureStore, head: str, dim: int, seed: int) -> VideoReasoner:
    """Makes an untrained model with the statistics of the training features."""
    torch.manual_seed(seed)
    config = TrainConfig(head=head, dim=dim, tasks={"question": {}, "next_action": {}})
    model = build_model(dataset, store, config)
    fit_statistics(model, make_clip_dataset(dataset, store, "train", model))
    return model


def timed(
    predictor: Predictor, query_set: QuerySet, lengths: list[Context], *, share: bool
) -> tuple[pd.DataFrame, float]:
    """Returns rows and their computation time in seconds; without sharing, each request is answered alone."""
    start = time.perf_counter()
    rows = concatenate(ask_model(predictor, query_set, lengths, (), Run(), batch_size=1, share=share))
    return rows, time.perf_counter() - start


def draw(queries: list[Query], sample: int, seed: int) -> list[Query]:
    """Draws a random sample of the queries; 0: all of them."""
    if not 0 < sample < len(queries):
        return queries
    indices = np.random.default_rng(seed).choice(len(queries), sample, replace=False)
    return [queries[index] for index in sorted(indices)]


def compare(shared: pd.DataFrame, plain: pd.DataFrame) -> str:
    """Compares the rows of the same answers; the names of their queries may differ."""
    key = ["video", "time", "kind", "question", "answer", "context"]
    pairs = shared.drop_duplicates(key).merge(plain.drop_duplicates(key), on=key, suffixes=("", "_plain"))
    assert len(pairs) == len(plain.drop_duplicates(key)), "a row of the plain loop has no shared one"
    different = int((pairs["prediction"] != pairs["prediction_plain"]).sum())
    furthest = float((pairs["score"] - pairs["score_plain"]).abs().max())
    if different or furthest > TOLERANCE:
        return f"DIFFERENT: {different} predictions, scores by up to {furthest:.1e}"
    return f"same predictions, scores within {furthest:.0e}"


if __name__ == "__main__":
    run_script(main)
