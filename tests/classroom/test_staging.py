import dataclasses

import numpy as np

from vidseq.classroom.actions import ACTIONS
from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.plan import draw_world
from vidseq.classroom.staging import scene_at
from vidseq.classroom.symbolic import SymbolicEncoder, component_names

CONFIG = ClassroomConfig(seed=5)


def cut(world, time):
    """The world with everything taken out that begins at `time` or later."""

    def before(events):
        return tuple(event for event in events if event.start < time)

    children = [dataclasses.replace(child, steps=before(child.steps)) for child in world.children]
    return dataclasses.replace(
        world,
        children=tuple(child for child in children if child.steps),
        **{name: before(getattr(world, name)) for name in ("cards", "programmes", "chair", "hides", "holds")},
        **{name: tuple(s for s in getattr(world, name) if s[0] < time) for name in ("rings", "flashes")},
    )


def test_the_future_never_shows():
    for index in range(6):
        world = draw_world(CONFIG, "train", index)
        for time in np.arange(0.5, world.seconds, 1.7):
            shown, known = scene_at(world, float(time)), scene_at(cut(world, float(time) + 1e-6), float(time))
            assert shown == known


def test_children_walk_without_jumps():
    world = draw_world(CONFIG, "train", 1)
    positions = {}
    for time in np.arange(0.0, world.seconds, 0.05):
        for figure in scene_at(world, float(time)).figures:
            position = np.array([figure.x, figure.depth])
            assert (position >= 0).all() and (position <= 1).all()
            assert np.abs(position - positions.get(figure.figure, position)).max() < 0.08
            positions[figure.figure] = position


def test_scenes_show_the_facts_of_the_record():
    world = draw_world(CONFIG, "train", 2)
    record = world.record()
    for time in np.arange(0.3, world.seconds, 0.37):
        scene = scene_at(world, float(time))
        figures = {figure.figure: figure for figure in scene.figures}
        for attribute, read in (("action", "action"), ("name", "name_tag"), ("holds", "holding"), ("shirt", "shirt")):
            for fact in record.find(None, attribute, at=float(time)):
                assert getattr(figures[fact.entity], read) == fact.value
        cards = [fact.value for fact in record.find("teacher", "card", at=float(time))]
        assert figures["teacher"].holding == (f"card:{cards[0]}" if cards else None)
        contents = {thing.content for thing in scene.things if thing.kind == "box"} - {None}
        assert contents == {fact.entity for fact in record.find(None, "box", at=float(time))}
        assert all(
            figure.action in ACTIONS or figure.action in ("walk", "stand", "show_card") for figure in scene.figures
        )


def test_symbolic_frames_show_what_is_visible_and_no_more():
    encoder, names = SymbolicEncoder(CONFIG), component_names(CONFIG)
    world = draw_world(CONFIG, "train", 2)
    child = world.children[0]
    seen = {names[k] for k in np.flatnonzero(encoder.frame(world, child.enters + 1.0))}
    assert {f"shirt:{child.shirt} here", f"shirt:{child.shirt} action:come_in", "door:open"} <= seen
    if child.tag:
        assert f"shirt:{child.shirt} name:{child.name}" in seen
    later = {names[k] for k in np.flatnonzero(encoder.frame(world, world.seconds - 0.2))}
    assert not any("name:" in name for name in later)


def test_symbolic_observations_are_noisy_and_timed(rng):
    encoder = SymbolicEncoder(CONFIG)
    world = draw_world(CONFIG, "train", 0)
    frames, times = encoder.frames(world, rng)
    assert frames.dtype == np.float32 and frames.shape == (world.seconds * CONFIG.feature_fps, encoder.dim)
    np.testing.assert_allclose(times, np.arange(len(times)) / CONFIG.feature_fps)
    clean = np.stack([encoder.frame(world, float(time)) for time in times[:40]])
    assert np.std(frames[:40] - clean) < 1.2 * CONFIG.symbolic_noise
    assert np.std(frames[:40] - clean) > 0.8 * CONFIG.symbolic_noise
