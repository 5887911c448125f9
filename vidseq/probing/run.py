"""Probes the features of a data set, family by family."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.majority import Majority
from vidseq.baselines.probe import break_ties
from vidseq.data.dataset import Dataset
from vidseq.data.query_set import QuerySet
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.intervals import FewGroupsWarning, Interval, bootstrap_mean
from vidseq.features.store import FeatureStore
from vidseq.probing.asked import MIN_QUERIES, MIN_TRAINING, Family, find_families
from vidseq.probing.linear import LinearProbe
from vidseq.probing.network import STEPS, NetworkProbe
from vidseq.probing.results import EVIDENCE, NEWEST, ProbeReport, ProbeResult
from vidseq.probing.seen import evidence_frames, evidence_is_old, newest_frames
from vidseq.progress import progress

#: A linear probe learns from so many queries at most: its cost grows with the cube of their number.
MAX_LINEAR = 1500
#: Score of an answer that training never had.
_NEVER = -1e9

See = Callable[[QuerySet, Sequence[Query]], np.ndarray]


def probe_features(
    dataset: Dataset,
    store: FeatureStore,
    *,
    split: str = "test",
    anticipation_seconds: float = 1.0,
    limit: int | None = None,
    seed: int = 0,
    steps: int = STEPS,
) -> ProbeReport:
    """Trains small probes on single frames, which says what the features hold before a model is trained on them.

    Each family of questions, next actions and frame labels is probed on the newest frame. Where queries ask about what
    the newest frame does not show, a second pass shows the frames of their evidence instead: is it in the features at
    all? Probes cannot see the order of frames.

    Args:
        dataset: the data set.
        store: its features, with a token axis or without.
        split: the split to answer; probes learn from "train".
        anticipation_seconds: time from query to action, where the data set has no next-action queries of its own.
        limit: largest number of queries of a family in each split.
        seed: of everything that is drawn.
        steps: of the training of the small network.

    Raises:
        UserError: the split is "train", a number is below 1, or nothing is asked of the split.
    """
    for name, value in (("limit", limit), ("steps", steps)):
        if value is not None and value < 1:
            raise UserError(f"Probes expect {name} of at least 1, got {value}.")
    if split == "train":
        raise UserError("Probes expect another split than the one that they learn from, got 'train'. Use test or val.")
    dataset.split(split)
    families = find_families(dataset, store, split, anticipation_seconds=anticipation_seconds, limit=limit, seed=seed)
    if not any(family.queries for family in families):
        raise UserError(
            f"Probes expect queries or segments in split '{split}' of '{dataset.info.name}', got none. Name another "
            "one (--split)."
        )
    query_set = QuerySet(dataset, store, split, ())
    results: list[ProbeResult] = []
    left_out = {}
    for family in progress(families, what="Probing", unit="family"):
        if reason := family.why_not():
            left_out[family.display_name] = reason
            continue
        results += _probe_family(family, query_set, seed, steps)
    return ProbeReport(results, left_out, store.fingerprint.name, split)


def _probe_family(family: Family, query_set: QuerySet, seed: int, steps: int) -> Iterator[ProbeResult]:
    old = np.array([evidence_is_old(query_set, query) for query in family.queries])
    passes: list[tuple[str, See]] = [(NEWEST, newest_frames)]
    if old.sum() >= MIN_QUERIES:
        passes.append((EVIDENCE, evidence_frames))
    majority = _majority(family)
    for frames, see in passes:
        correct = {Majority.name: _correct(family, majority)}
        seen = see(query_set, family.training), see(query_set, family.queries)
        correct["linear"] = _correct(family, _linear(family, query_set, *seen, seed))
        correct["network"] = _correct(family, _network(family, query_set, *seen, seed, steps))
        for text in ("", *family.texts()):
            yield _result(family, query_set, text, frames, correct, old)


def _linear(family: Family, query_set: QuerySet, training: np.ndarray, seen: np.ndarray, seed: int) -> np.ndarray:
    """Scores (Q, C) of a linear probe a question; questions that are rarely asked share one."""
    counts = Counter(query.question or "" for query in family.training)
    own = {text: text if count >= MIN_TRAINING else "" for text, count in counts.items()}
    learnt = np.array([own[query.question or ""] for query in family.training])
    asked = np.array([own.get(query.question or "", "") for query in family.queries])
    answers, groups = _answers(family), _groups(family, query_set)
    scores = np.full((len(seen), len(family.classes)), _NEVER)
    generator = np.random.default_rng(seed)
    for text in np.unique(asked):
        rows = np.flatnonzero(learnt == text)
        if not len(rows):  # every training query has a frequent text, and this one is new
            rows = np.arange(len(learnt))
        rows = np.sort(generator.permutation(rows)[:MAX_LINEAR])
        probe = LinearProbe(_flat(training[rows]), answers[rows], groups[rows], seed)
        scores[asked == text] = probe.scores(_flat(seen[asked == text]), len(family.classes))
    return scores


def _network(
    family: Family, query_set: QuerySet, training: np.ndarray, seen: np.ndarray, seed: int, steps: int
) -> np.ndarray:
    """Scores (Q, C) of one network for the whole family."""
    texts = [query.question or "" for query in family.training]
    groups, num_classes = _groups(family, query_set), len(family.classes)
    probe = NetworkProbe(training, texts, _answers(family), groups, num_classes, seed=seed, steps=steps)
    return probe.scores(seen, [query.question or "" for query in family.queries])


def _majority(family: Family) -> np.ndarray:
    def nothing(query: Query) -> None:
        raise AssertionError("the majority answer sees no frame")

    data = BaselineData(family.training, family.queries, family.classes, {}, nothing)  # type: ignore[arg-type]
    return Majority().answer(data)


def _correct(family: Family, scores: np.ndarray) -> np.ndarray:
    """Whether the best answer, of the choices if there are some, is right, (Q,)."""
    scores = break_ties(np.maximum(scores, _NEVER), family.queries)
    right = []
    for query, row in zip(family.queries, scores):
        options = query.choices or family.classes
        known = dict(zip(family.classes, row))
        right.append(max(options, key=lambda option: known.get(option, 2 * _NEVER)) == query.answer)
    return np.array(right)


def _result(
    family: Family, query_set: QuerySet, text: str, frames: str, correct: dict[str, np.ndarray], old: np.ndarray
) -> ProbeResult:
    rows = np.array([not text or query.question == text for query in family.queries])
    queries = [query for query, chosen in zip(family.queries, rows) if chosen]
    groups = np.array([query_set.dataset.group_of(query.video) for query in queries])
    ages = [query.evidence_age_seconds for query, is_old in zip(queries, old[rows]) if is_old]
    return ProbeResult(
        kind=family.kind,
        family=family.name,
        question=text,
        frames=frames,
        accuracy={probe: _interval(right[rows], groups) for probe, right in correct.items()},
        num_training=sum(not text or query.question == text for query in family.training),
        evidence_age_seconds=float(np.median(np.array(ages, float))) if ages else float("nan"),
        old_evidence=float(old[rows].mean()),
    )


def _interval(right: np.ndarray, groups: np.ndarray) -> Interval:
    with warnings.catch_warnings():  # the table says how many groups there are
        warnings.simplefilter("ignore", FewGroupsWarning)
        return bootstrap_mean(right, groups)


def _answers(family: Family) -> np.ndarray:
    columns = {answer: index for index, answer in enumerate(family.classes)}
    return np.array([columns[query.answer] for query in family.training])


def _groups(family: Family, query_set: QuerySet) -> np.ndarray:
    return np.array([query_set.dataset.group_of(query.video) for query in family.training])


def _flat(frames: np.ndarray) -> np.ndarray:
    return np.asarray(frames.reshape(len(frames), -1), np.float32)
