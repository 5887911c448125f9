"""The ceilings against two oracles: enumeration of every world, and what the best forecast really scores."""

from itertools import pairwise, product

import numpy as np
import pytest

from vidseq.classroom.actions import NEXT_RING, RING_OF
from vidseq.classroom.ceiling import ObservedHistory, context_grid
from vidseq.classroom.record import Fact, Record
from vidseq.classroom.scripts import ACTIVITIES, HABITS, TURNS, decided_by, tables, transition_probability

NOISE = 0.15
INDEX = {activity: k for k, activity in enumerate(ACTIVITIES)}


def chain(card, programme, habit):
    """Transition matrix of a child, given all that is hidden."""
    table = {"card": card, "television": programme, "habit": habit}
    matrix = np.zeros((len(ACTIVITIES), len(ACTIVITIES)))
    for before, after in product(ACTIVITIES, ACTIVITIES):
        decider = decided_by(before)
        used = table.get(decider) or tables(decider, RING_OF[before][0])[0]
        matrix[INDEX[before], INDEX[after]] = transition_probability(before, after, used, NOISE)
    return matrix


def worlds(num_children):
    """Every hidden state: (card, programme, habit of each child), all equally likely."""
    return product(TURNS, TURNS, product(HABITS, repeat=num_children))


CHAINS = {key: chain(*key) for key in product(TURNS, TURNS, HABITS)}


def enumerated_forecast(paths, hidden_steps):
    """Of the first child, by summing over all worlds; `hidden_steps` unseen activities come before each path."""
    total = np.zeros(len(ACTIVITIES))
    for card, programme, habits in worlds(len(paths)):
        weight = 1.0
        for path, habit, steps in zip(paths, habits, hidden_steps):
            matrix = CHAINS[card, programme, habit]
            start = np.full(len(ACTIVITIES), 1 / len(ACTIVITIES)) @ np.linalg.matrix_power(matrix, steps)
            weight *= start[INDEX[path[0]]]
            for before, after in pairwise(path):
                weight *= matrix[INDEX[before], INDEX[after]]
        total += weight * CHAINS[card, programme, habits[0]][INDEX[paths[0][-1]]]
    return total / total.sum()


def record_of(paths):
    facts = [
        Fact(6.0 * k, 6.0 * k + 4.5, f"child{child}", "action", action)
        for child, path in enumerate(paths)
        for k, action in enumerate(path)
    ]
    return Record(tuple(sorted(facts)))


@pytest.mark.parametrize("hidden_steps", [(0, 0), (1, 4), (7, 2)])
def test_forecast_equals_enumeration_over_every_world(hidden_steps, rng):
    keys = list(CHAINS)
    for _ in range(6):
        truth = CHAINS[keys[rng.integers(len(keys))]]
        paths = []
        for _ in range(2):
            path = [int(rng.integers(len(ACTIVITIES)))]
            for _ in range(5):
                path.append(int(rng.choice(len(ACTIVITIES), p=truth[path[-1]])))
            paths.append([ACTIVITIES[k] for k in path])
        forecast = ObservedHistory(record_of(paths), NOISE).forecast("child0", 0.0, 34.0)
        expected = enumerated_forecast(paths, hidden_steps)
        np.testing.assert_allclose([forecast[activity] for activity in ACTIVITIES], expected, atol=1e-12)


def test_no_evidence_leaves_a_third_and_a_card_leaves_only_noise():
    facts = record_of([["draw"]]).facts
    prior = ObservedHistory(Record(facts), NOISE).ceiling("child0", 4.0, 1.0)
    assert prior == pytest.approx((1 - NOISE) / 3 + NOISE / 17)
    shown = Record((*facts, Fact(0.5, 1.0, "teacher", "card", "moon")))
    assert ObservedHistory(shown, NOISE).ceiling("child0", 4.0, 3.0) == pytest.approx(prior)
    assert ObservedHistory(shown, NOISE).ceiling("child0", 4.0, 3.2) == pytest.approx(1 - NOISE + NOISE / 17)


def test_a_window_equals_a_cut_record(videos, records, rng):
    queries = [item for planned in videos.values() for item in planned.queries if item.question.kind == "next"]
    for k in rng.permutation(len(queries))[:150]:
        query, video = queries[k].query, queries[k].query.video
        world = videos[video].world
        child = next(child.child for child in world.children if child.shirt == queries[k].question.subject)
        for context, ceiling in query.ceiling:
            cut = records[video].window(query.time - context, query.time)
            assert ObservedHistory(cut, world.noise).ceiling(child, query.time, 1e6) == pytest.approx(
                ceiling, abs=2e-6
            )


@pytest.mark.parametrize("cause", ["current", "cue", "habit", None])
def test_mean_ceiling_is_what_the_best_forecast_scores(videos, records, cause):
    """Calibration, at every context: queries whose cause is shown, and those that nobody can know."""
    by_context = {}
    for video, planned in videos.items():
        past = ObservedHistory(records[video], planned.world.noise)
        shirts = {child.shirt: child.child for child in planned.world.children}
        for item in planned.queries:
            if item.question.kind == "next" and item.query.cause == cause:
                for position, (context, ceiling) in enumerate(item.query.ceiling):
                    start = item.query.time - context
                    forecast = past.forecast(shirts[item.question.subject], start, item.query.time)
                    hit = max(forecast, key=forecast.get) == item.query.answer
                    key = "all" if position == len(item.query.ceiling) - 1 else context
                    by_context.setdefault(key, []).append((hit, ceiling))
    for found in by_context.values():
        hits, ceilings = np.array(found, dtype=float).T
        if len(hits) >= 100:
            error = np.sqrt(np.mean(ceilings * (1 - ceilings)) / len(hits))
            assert abs(hits.mean() - ceilings.mean()) < 4 * error
    assert len(by_context) > 6


def test_ceilings_rise_with_context(videos):
    curves = [
        item.query.ceiling for planned in videos.values() for item in planned.queries if item.query.cause == "cue"
    ]
    full = np.mean([curve[-1][1] for curve in curves])
    assert full > 0.93
    assert np.mean([curve[0][1] for curve in curves]) < 0.4
    middle = [dict(curve)[16.0] for curve in curves if 16.0 in dict(curve)]
    assert 0.4 < np.mean(middle) < full


def test_the_context_grid_runs_from_one_frame_to_everything():
    assert context_grid(20.0, 4.0) == (0.25, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0)
    assert context_grid(3600.0, 1.0)[-2:] == (2048.0, 3600.0)


def test_the_choice_of_habit_queries_reveals_nothing(videos):
    """Had a child to come back to the very same activity first, the way round its habit takes would show."""
    turns = [0, 0, 0]
    for planned in videos.values():
        scripts = {child.shirt: child.steps for child in planned.world.children}
        for item in planned.queries:
            if item.query.cause == "habit":
                before = next(s for s in scripts[item.question.subject] if s.start <= item.query.time < s.end)
                (ring, position), (following, turned) = RING_OF[before.action], RING_OF[item.query.answer]
                turns[(turned - position) % 3] += following == NEXT_RING[ring]
    expected = sum(turns) / 3
    assert expected > 60
    assert sum((count - expected) ** 2 / expected for count in turns) < 30, turns
