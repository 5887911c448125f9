"""Controls by name, what "all" stands for, and controls that are registered later."""

import ast
import inspect
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import vidseq
from vidseq.baselines.baseline import Baseline
from vidseq.baselines.control import Parameter, read_count
from vidseq.baselines.registry import BASELINES
from vidseq.data.schema import Query
from vidseq.data.visible import Past
from vidseq.errors import UserError
from vidseq.evaluation.answering import one_at_a_time
from vidseq.evaluation.controls import choose_controls, find_control, known_controls
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.input_controls import INPUT_CONTROLS, InputControl, Shuffled, SwappedPast

PACKAGE = Path(vidseq.__file__).parent


def test_queries_at_one_time_share_one_order():
    past = Past(np.arange(30)[:, None], np.arange(30.0))
    one, other, later = (
        Shuffled().change(past, Query(video="v", time=time, kind="question", question=text, answer="cut"), None)
        for time, text in ((9.0, "a"), (9.0, "b"), (9.5, "a"))
    )
    assert one.features.tolist() == other.features.tolist() != later.features.tolist()


def test_best_frame_asks_single_frames_and_takes_the_surest(query_set, planted_model):
    def sure_of_red(features, pts_seconds, queries):
        assert all(len(frames) == 1 for frames in features)
        return planted_model(features, pts_seconds, queries)

    dataset, store = query_set
    rows = evaluate(sure_of_red, dataset, store, "test", contexts=["1f"], controls=["best_frame"])
    best = rows[rows["control"] == "best_frame"]
    assert len(best) == best["query"].nunique() == 60
    assert (best["context_frames"] == 1).all()
    # 32 of some 70 frames are asked: where the one with the evidence is among them, the answer is right.
    sure = best["score"] > 0.9
    assert best[sure]["correct"].all() and 0.2 < sure.mean() < 0.9


def test_all_controls(query_set):
    dataset, _ = query_set
    questions, nexts = dataset.queries, dataset.next_action_queries(1.0)
    options = {"num_groups": 12, "has_segments": True}
    assert choose_controls(["all"], questions, **options) == [
        *("blind", "last_frame", "shuffled", "evidence_only", "swapped_past", "best_frame", "majority"),
        *("question_only", "time_only", "last_frame_probe", "bag_of_frames", "best_frame_probe"),
        *("label_bag_probe", "label_chain_probe"),
    ]
    forecast = choose_controls(["all", "ngram:1", "blind"], nexts, **options)
    assert {"ngram", "ngram:1", "repeat_last_label", "bag_of_labels"} < set(forecast)
    assert "evidence_only" not in forecast and forecast.count("blind") == 1
    with pytest.raises(UserError, match="bag_of_labels expects next actions, and segments of the past, got none"):
        choose_controls(["bag_of_labels"], questions, **options)
    with pytest.raises(UserError, match="how many labels to look back, as in ngram:2, got 'ngram:x'"):
        choose_controls(["ngram:x"], nexts, **options)


@pytest.mark.parametrize("name", known_controls())
def test_a_control_is_written_as_it_is_read(name):
    """The default is not written; every other value is read back."""
    control = find_control(name)
    assert str(control) == name
    if control.parameter:
        other = f"{name}:{control.parameter.write(control.parameter.read(control.parameter.example))}"
        assert str(find_control(other)) == other
    else:
        with pytest.raises(UserError, match=f"Unknown control '{name}:2'"):
            find_control(f"{name}:2")


@pytest.mark.parametrize("value", ["x", "-1s", "nan", "inf", "4m"])
def test_seconds_that_cannot_be_read_are_refused(value):
    with pytest.raises(UserError, match=r"how many seconds of the newest past stay, as in swapped_past:30s, got 'swa"):
        find_control(f"swapped_past:{value}")
    assert find_control("swapped_past:1.5s") == find_control("swapped_past:1.5") == SwappedPast(1.5)


@dataclass(frozen=True)
class Toy(Baseline):
    """Always answers with one class."""

    name = "toy"
    sees = "nothing"
    parameter = Parameter("which class", "2", read_count, str)

    number: int = 1

    def answer(self, data):
        return np.eye(len(data.classes))[[self.number] * len(data.queries)]


@dataclass(frozen=True)
class Reversed(InputControl):
    """Shows the past backwards."""

    name = "reversed"

    def change(self, past, query, donor):
        return Past(past.features[::-1], past.pts_seconds)


def test_a_new_control_is_one_class_in_its_registry(query_set, planted_model, monkeypatch):
    monkeypatch.setitem(BASELINES, Toy.name, Toy)
    monkeypatch.setitem(INPUT_CONTROLS, Reversed.name, Reversed)
    shown = []

    def watch(features, pts_seconds, queries):
        shown.extend(frames[:, 3].tolist() for frames in features)
        return planted_model(features, pts_seconds, queries)

    rows = evaluate(watch, *query_set, "test", contexts=[], controls=["toy", "toy:2", "reversed"])
    found = rows.groupby("control")["prediction"].unique()
    assert found["toy"].tolist() == ["green"] and found["toy:2"].tolist() == ["blue"]
    assert shown and all(frames == sorted(frames, reverse=True) for frames in shown)
    queries = query_set[0].queries
    assert {"toy", "reversed"} < set(choose_controls(["all"], queries, num_groups=2, has_segments=True))
    with pytest.raises(UserError, match=r"Unknown control 'toi'\. .*Known controls: .*reversed.*toy"):
        evaluate(planted_model, *query_set, "test", controls=["toi"])
    with pytest.raises(UserError, match=r"Control toy expects which class, as in toy:2, got 'toy:x'\."):
        evaluate(planted_model, *query_set, "test", controls=["toy:x"])


def test_one_query_at_a_time(query_set, planted_model):
    dataset, store = query_set

    def alone(features, pts_seconds, query):
        return planted_model([features], [pts_seconds], [query])[0]

    options = {"contexts": "1f,8s,full", "controls": ["blind"]}
    assert evaluate(one_at_a_time(alone), dataset, store, "test", **options).equals(
        evaluate(planted_model, dataset, store, "test", **options)
    )
    with pytest.raises(UserError, match=r"scores \(C,\) for each query, got \(1, 4\) for the one of 'v04' at 35\.000"):
        evaluate(one_at_a_time(lambda f, p, q: np.zeros((1, 4))), dataset, store, "test")
    sizes = iter(range(3, 99))
    with pytest.raises(UserError, match=r"scores \(3,\) as before for each query, got \(4,\) for the one of"):
        evaluate(one_at_a_time(lambda f, p, q: np.zeros(next(sizes))), dataset, store, "test")
    with pytest.raises(UserError, match="finite scores from the model, got NaN or infinity for 60 of 60"):
        evaluate(one_at_a_time(lambda f, p, q: np.full(4, np.nan)), dataset, store, "test")


#: The default list of `vidseq compare`.
MAY_LIST_CONTROLS = {PACKAGE / "comparison" / "compare.py"}


def control_literals(source: str) -> list[str]:
    """Names of controls that a file writes as strings."""
    strings = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    return [name for name in known_controls() if name in strings]


def test_only_a_controls_own_file_writes_its_name():
    own = {(inspect.getfile(control), name) for name, control in known_controls().items()}
    paths = [path for path in PACKAGE.rglob("*.py") if path not in MAY_LIST_CONTROLS]
    assert {(str(path), name) for path in paths for name in control_literals(path.read_text())} == own


def test_a_literal_is_found():
    assert control_literals('x = row["control"] == "blind"') == ["blind"]
