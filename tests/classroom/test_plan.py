import dataclasses
import itertools

import numpy as np
import pytest

from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.plan import MIN_AGE_SECONDS, draw_age, draw_world
from vidseq.errors import UserError


def test_ages_are_half_log_uniform_and_half_uniform(rng):
    ages = np.array([draw_age(100.0, rng) for _ in range(4000)])
    assert ages.min() >= MIN_AGE_SECONDS and ages.max() <= 100.0
    for limit in (1.0, 5.0, 20.0, 60.0):
        log_part = np.log(limit / MIN_AGE_SECONDS) / np.log(100.0 / MIN_AGE_SECONDS)
        expected = 0.5 * log_part + 0.5 * (limit - MIN_AGE_SECONDS) / (100.0 - MIN_AGE_SECONDS)
        assert abs((ages < limit).mean() - expected) < 0.03


def test_a_world_comes_from_its_seed_split_and_number_alone():
    config = ClassroomConfig()
    assert draw_world(config, "train", 3) == draw_world(config, "train", 3)
    assert draw_world(config, "train", 3) != draw_world(config, "train", 4)
    assert draw_world(config, "train", 3) != draw_world(config, "test", 3)
    assert draw_world(config, "train", 3) != draw_world(dataclasses.replace(config, seed=1), "train", 3)
    more = dataclasses.replace(config, train_videos=500)
    assert draw_world(config, "train", 3) == draw_world(more, "train", 3)


@pytest.mark.parametrize("seconds", [30.0, 60.0, 600.0])
@pytest.mark.parametrize("children", [1, 4, 8])
def test_worlds_of_any_length_and_number_of_children_keep_the_rules(seconds, children):
    config = ClassroomConfig(
        seconds=seconds, num_colors=8, num_names=12, min_children=children, max_children=children, event_density=2.0
    )
    for index in range(24 if seconds == 30.0 else 6):
        world = draw_world(config, "test", index)
        assert len(world.children) == children
        assert len({child.shirt for child in world.children}) == children
        for show in (*world.cards, *world.programmes, *world.chair, *world.hides, *world.holds):
            assert 0 <= show.start < show.end <= world.seconds
        for shows in (world.cards, world.programmes, world.chair):
            assert all(a.end <= b.start and a.value != b.value for a, b in itertools.pairwise(shows))
        for hold in world.holds:
            holder = next(child for child in world.children if child.child == hold.child)
            assert holder.tag is not None and holder.tag[1] < hold.start
        for target in world.targets:
            assert target.end <= target.time - MIN_AGE_SECONDS + 1e-3
        signals = sorted((*world.rings, *world.flashes))
        assert all(a[1] < b[0] for a, b in itertools.pairwise(signals))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, r"A classroom expects seed from 0 to \d+, got -1\."),
        ({"seconds": 10.0}, r"A classroom expects seconds from 30.0 to 3600.0, got 10.0\."),
        (
            {"seconds": 30.0, "seconds_spread": 0.5},
            r"expects the shortest video's seconds from 25.0 to 3600.0, got 15.0",
        ),
        ({"num_toys": 9}, r"A classroom expects num_toys from 2 to 4, got 9\."),
        ({"max_children": 5}, r"A classroom expects max_children from 1 to 4, got 5\."),
        ({"min_children": 4, "max_children": 3}, r"A classroom expects min_children from 1 to 3, got 4\."),
        ({"families": ("whom",)}, r"Unknown family 'whom'\. Did you mean 'who'\?"),
        ({"observations": "pixels"}, r"Unknown kind of observations 'pixels'\."),
        ({"noise": 1.5}, r"A classroom expects noise from 0.0 to 1.0, got 1.5\."),
    ],
)
def test_a_wrong_configuration_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        ClassroomConfig(**change)
