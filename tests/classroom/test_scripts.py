import itertools
from collections import Counter

import numpy as np
import pytest

from vidseq.classroom.actions import ACTIONS, DECIDED_BY, NEXT_RING, RING_OF, RINGS
from vidseq.classroom.palette import ZONES
from vidseq.classroom.scripts import (
    ACTIVITIES,
    HABITS,
    Show,
    decided_by,
    draw_next,
    draw_script,
    follow,
    shown_table,
    tables,
    transition_probability,
)

NO_SHOWS = {"card": (Show(0.1, 2.0, "star"),), "television": (Show(0.2, 2.0, "fish"),)}


def test_rings_lead_to_one_another_and_every_action_has_a_zone():
    assert sorted(NEXT_RING) == list(range(len(RINGS))) and len(DECIDED_BY) == len(RINGS)
    assert len(ACTIONS) == 20 and all(action.zone in ZONES for action in ACTIONS.values())


@pytest.mark.parametrize("ring", range(len(RINGS)))
def test_every_table_is_a_bijection_and_all_together_reveal_nothing(ring):
    for table in tables(DECIDED_BY[ring], ring):
        after = {follow(action.name, table) for action in RINGS[ring]}
        assert after == {action.name for action in RINGS[NEXT_RING[ring]]}
    if DECIDED_BY[ring] != "current":
        for action in RINGS[ring]:
            counts = Counter(follow(action.name, table) for table in tables(DECIDED_BY[ring], ring))
            assert len(counts) == 3 and len(set(counts.values())) == 1


@pytest.mark.parametrize("action", ACTIVITIES)
def test_probabilities_of_what_follows_sum_to_one(action):
    for table in tables(decided_by(action), RING_OF[action][0]):
        total = sum(transition_probability(action, following, table, 0.2) for following in ACTIVITIES)
        assert total == pytest.approx(1.0)
        assert transition_probability(action, action, table, 0.2) == 0


def test_draws_follow_the_probabilities(rng):
    counts = Counter(draw_next("draw", (2, 0, 1), 0.5, rng) for _ in range(4000))
    for activity in ACTIVITIES:
        expected = transition_probability("draw", activity, (2, 0, 1), 0.5)
        assert abs(counts[activity] / 4000 - expected) < 4 * np.sqrt(expected / 4000) + 1e-9


def test_every_value_that_is_shown_commands_another_turn():
    assert len({shown_table(symbol) for symbol in ("star", "moon", "heart")}) == 3
    assert len({shown_table(programme) for programme in ("rocket", "fish", "clown")}) == 3


def test_without_noise_a_script_follows_card_programme_and_habit(rng):
    steps = draw_script(0.2, 600.0, NO_SHOWS, {4: HABITS[3]}, (4.5, 7.0), 0.0, rng)
    commands = {"card": shown_table("star"), "television": shown_table("fish"), "habit": HABITS[3]}
    assert [step.action for step in steps[:2]] == ["come_in", "hang_up_coat"]
    for before, after in itertools.pairwise(steps[2:]):
        decider = decided_by(before.action)
        table = commands.get(decider) or tables(decider, RING_OF[before.action][0])[0]
        assert after.action == follow(before.action, table)
        assert (after.start == before.end and 4.5 <= after.end - after.start <= 7.001) or after.end == 600.0


@pytest.mark.parametrize("seed", range(4))
def test_a_card_counts_only_if_it_shows_before_the_child_decides(seed):
    rng = np.random.default_rng(seed)
    cards = tuple(Show(0.1 + 2.5 * k, 2.0 + 2.5 * k, ("star", "moon", "heart")[k % 3]) for k in range(240))
    steps = draw_script(0.2, 600.0, {**NO_SHOWS, "card": cards}, {4: HABITS[0]}, (4.5, 7.0), 0.0, rng)
    card_steps = [pair for pair in itertools.pairwise(steps[2:]) if decided_by(pair[0].action) == "card"]
    for before, after in card_steps:
        symbol = [card.value for card in cards if card.start < after.start - 1.0][-1]
        assert after.action == follow(before.action, shown_table(symbol))
    assert len(card_steps) > 15


def test_durations_reveal_nothing_about_actions(videos):
    by_action = {}
    for planned in videos.values():
        for child in planned.world.children:
            for step in child.steps[:-1]:
                by_action.setdefault(step.action, []).append(step.end - step.start)
    means = {action: np.mean(values) for action, values in by_action.items()}
    spread = {action: np.std(values) / np.sqrt(len(values)) for action, values in by_action.items()}
    everything = np.mean([value for values in by_action.values() for value in values])
    assert all(abs(means[action] - everything) < 4.5 * spread[action] for action in means)
