"""The tool on a generated classroom, whose evidence is known: a reader that is right iff it is shown all of it."""

import numpy as np
import pytest

from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.generator import generate
from vidseq.context.summary import summarise
from vidseq.data.dataset import Dataset
from vidseq.evaluation.evaluator import evaluate
from vidseq.features.store import FeatureStore

#: Families whose evidence is in the present.
PRESENT = {"color_now", "doing"}


@pytest.fixture(scope="module")
def summaries(tmp_path_factory):
    config = ClassroomConfig(
        train_videos=4, val_videos=0, test_videos=24, seconds=40.0, families=("color_now", "doing", "color_then"),
        observations="symbolic", pair_fraction=0.0, questions_per_video=20,
    )  # fmt: skip
    dataset = Dataset.load(generate(tmp_path_factory.mktemp("room") / "data", config, workers=1))
    labels = dataset.answer_labels

    def reader(features, pts_seconds, queries):
        """Right where the earliest evidence is shown; else it names the first class, which is hardly ever right."""
        scores = np.zeros((len(queries), len(labels)))
        for row, (times, query) in enumerate(zip(pts_seconds, queries)):
            first = min((start for start, _ in query.evidence), default=0.0)  # none: about what never happened
            whole = len(times) and times[0] <= first + 0.25 + 1e-6 and (times >= first - 1e-6).any()
            scores[row, labels.index(query.answer) if whole else 0] = 4.0
        return scores

    queries = [query for query in dataset.queries if query.kind == "question"]
    rows = evaluate(
        reader, dataset, FeatureStore.open_in(dataset.folder), "test", queries=queries,
        contexts="1f,1s,2s,...,full", controls=["blind", "last_frame", "swapped_past:1s", "majority"],
    )  # fmt: skip
    return {summary.family: summary for summary in summarise(rows, num_samples=200)}


def test_certificates_are_the_reach(summaries):
    found = summaries["color_then"].certificates
    assert found.rank_correlation.mean > 0.9
    assert found.share_right > 0.95
    assert not found.shortcut_alarm


def test_present_families_need_less_past_than_memory_ones(summaries):
    for family in PRESENT:
        assert summaries[family].effective.at_most_seconds < summaries["color_then"].effective.at_most_seconds
        assert summaries[family].area.mean > summaries["color_then"].area.mean


def test_nothing_leaks_and_controls_stay_at_chance(summaries):
    memory = summaries["color_then"]
    assert memory.leak.mean == pytest.approx(0, abs=0.02)
    assert memory.curve.controls["blind"].mean < 0.4
    assert memory.curve.controls["last_frame"].mean < 0.4
    assert memory.curve.controls["majority"].mean < 0.5
