"""The probes, trained on a data set's training split and asked all of another: one row a query and probe."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vidseq.audit.choices import ChoiceWords
from vidseq.audit.lessons import Lessons
from vidseq.audit.majority import majority_predict
from vidseq.audit.probe_inputs import PROBE_INPUTS, ProbeInput, bag_of_seconds
from vidseq.baselines.kernel_regression import KernelRegression
from vidseq.data.schema import Query
from vidseq.data.visible import Past
from vidseq.evaluation.evaluator import Predict, evaluate
from vidseq.evaluation.rows import Run, concatenate
from vidseq.progress import progress

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore

#: Frames of the past that the best-frame probe looks at, one at a time, evenly spread.
MAX_FRAMES = 24
#: Frames a training query that it learns from.
LEARNT_FRAMES = 2


@dataclass(frozen=True)
class Probe:
    """A small model that sees a certain part."""

    name: str
    sees: str
    """In words."""
    part: str
    """"nothing", "present", "short" or "long": how much of the past it sees."""


def all_probes(short_seconds: float) -> dict[str, Probe]:
    """Every probe by name, from the one that sees least."""
    some = f"the last {short_seconds:g} s"
    probes = [
        Probe("majority", "the family's most frequent answer to such a question (of choices: any)", "nothing"),
        Probe("blind", "the question alone", "nothing"),
        Probe("time_only", "the question, and when it is asked", "nothing"),
        Probe("last_frame", "the newest frame", "present"),
        Probe("last_second", "the newest frame and the mean of the last second", "present"),
        Probe("short_bag", f"the newest frame and the mean of {some}", "short"),
        Probe("bag_of_frames", "the newest frame and the mean of all the past, in no order", "long"),
        Probe("best_frame", "one frame of the past at a time; the surest counts", "long"),
        Probe("short_window", f"{some} in order", "short"),
        Probe("long", "all of the past in order", "long"),
    ]
    return {probe.name: probe for probe in probes}


def kernel_predict(lessons: Lessons, probe_input: ProbeInput) -> Predict:
    """Trains a probe for each kind of query; gives a model that `evaluate` can ask."""
    probes: dict[str, KernelRegression] = {}
    for kind in lessons.kinds:
        queries = lessons.of_kind(kind)
        inputs = np.stack([probe_input(lessons.past(query), query) for query in queries])
        probes[kind] = _train(lessons, kind, queries, inputs)

    def predict(features: list[np.ndarray], times: list[np.ndarray], queries: list[Query]) -> np.ndarray:
        inputs = np.stack([probe_input(Past(*seen), query) for *seen, query in zip(features, times, queries)])
        return _untied(probes[queries[0].kind].scores(_texts(queries), inputs), queries)

    return predict


def best_frame_predict(lessons: Lessons) -> Predict:
    """Trains on frames of the past drawn by chance, and answers with the frame that is surest: an order-free selector.

    Source: the idea of one frame chosen of all is Buch et al., arXiv:2206.01720 (Atemporal Probe). Here: no encoder is
    trained to choose; the score does.
    """
    random = np.random.default_rng(0)
    probes: dict[str, KernelRegression] = {}
    for kind in lessons.kinds:
        queries = [query for query in lessons.of_kind(kind) for _ in range(LEARNT_FRAMES)]
        frames = [np.asarray(random.choice(lessons.past(query).features), np.float32) for query in queries]
        probes[kind] = _train(lessons, kind, queries, np.stack(frames)[:, None])

    def predict(features: list[np.ndarray], times: list[np.ndarray], queries: list[Query]) -> np.ndarray:
        chosen = []
        for clip, query in zip(features, queries):
            places = np.unique(np.linspace(0, len(clip) - 1, min(MAX_FRAMES, len(clip))).round().astype(int))
            frames = np.asarray(clip[places], float)[:, None]
            scores = probes[query.kind].scores([query.question or ""] * len(places), frames)
            chosen.append(scores[scores.max(axis=1).argmax()])
        return _untied(np.stack(chosen), queries)

    return predict


def choice_predict(lessons: Lessons, otherwise: Predict) -> Predict:
    """Answers multiple choice by the words of the choices, and everything else as another model does."""
    known = [query for query in lessons.queries if query.choices]
    words = ChoiceWords(known)
    place = {label: number for number, label in enumerate(lessons.classes("question"))}

    def predict(features: list[np.ndarray], times: list[np.ndarray], queries: list[Query]) -> np.ndarray:
        scores = np.array(otherwise(features, times, queries))
        for row, query in enumerate(queries):
            if query.choices and query.kind == "question":
                scores[row, [place[choice] for choice in query.choices]] = words.scores(query)
        return _untied(scores, queries)

    return predict if known else otherwise


def probe_rows(
    dataset: "Dataset",
    store: "FeatureStore",
    queries: Sequence[Query],
    *,
    short_seconds: float,
    split: str,
    train_split: str = "train",
    ordered: Mapping[str, tuple[Predict, str]] | None = None,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Trains probes and asks them everything.

    Args:
        dataset: what is asked.
        store: features.
        queries: of both splits.
        short_seconds: how much of the past the short probes see.
        split: whose queries are asked.
        train_split: whose queries are learnt from.
        ordered: models that see the past in order, by probe name, with the context they are shown.
        names: which of the others, beside the majority answer; None: all.

    Returns:
        rows whose column `run` names the probe.
    """
    training = [query for query in queries if dataset.videos[query.video].split == train_split]
    lessons = Lessons(dataset, store, training)
    makers: dict[str, Callable[[], Predict]] = {
        name: lambda probe_input=probe_input: kernel_predict(lessons, probe_input)  # type: ignore[misc]
        for name, probe_input in {**PROBE_INPUTS, "short_bag": bag_of_seconds(short_seconds)}.items()
    }
    makers["majority"] = lambda: majority_predict(lessons)
    makers["blind"] = lambda: choice_predict(lessons, kernel_predict(lessons, PROBE_INPUTS["blind"]))
    makers["best_frame"] = lambda: best_frame_predict(lessons)
    chosen = [name for name in makers if names is None or name in (*names, "majority")]
    tables = []
    for name in progress(chosen, what="probes", unit="probe"):
        tables.append(_asked(makers[name](), "full", name, dataset, store, queries, split))
    for name, (predict, context) in (ordered or {}).items():
        tables.append(_asked(predict, context, name, dataset, store, queries, split))
    return concatenate(tables)


def _asked(
    predict: Predict,
    context: str,
    name: str,
    dataset: "Dataset",
    store: "FeatureStore",
    queries: Sequence[Query],
    split: str,
) -> pd.DataFrame:
    return evaluate(predict, dataset, store, split, queries=queries, contexts=context, run=Run(run=name))


def _train(lessons: Lessons, kind: str, queries: Sequence[Query], inputs: np.ndarray) -> KernelRegression:
    classes = {label: number for number, label in enumerate(lessons.classes(kind))}
    answers = np.array([classes[query.answer] for query in queries])
    groups = [lessons.dataset.group_of(query.video) for query in queries]
    return KernelRegression(_texts(queries), np.asarray(inputs, float), answers, groups, len(classes))


def _texts(queries: Sequence[Query]) -> list[str]:
    return [query.question or "" for query in queries]


def _untied(scores: np.ndarray, queries: Sequence[Query]) -> np.ndarray:
    """Breaks ties by chance, the same every time: the first of equals would be a habit, and habits can be right."""
    noise = [
        np.random.default_rng(zlib.crc32(f"{query.video} {query.time:.6f} {query.question}".encode())).random(
            scores.shape[1]
        )
        for query in queries
    ]
    return scores + 1e-7 * np.stack(noise)


def answers_recur(dataset: "Dataset", queries: Sequence[Query], split: str, train_split: str) -> float:
    """The share of a split's multiple-choice answers that some training query has too; NaN without multiple choice.

    Where answers do not recur, probes that learn answers by what is seen can know nothing.
    """
    known = {query.answer for query in queries if dataset.videos[query.video].split == train_split}
    asked = [query for query in queries if query.choices and dataset.videos[query.video].split == split]
    return float(np.mean([query.answer in known for query in asked])) if asked else float("nan")


def ordered_folder(out: Path, name: str) -> Path:
    """Where the run of a probe that is trained lies."""
    return out / "runs" / name
