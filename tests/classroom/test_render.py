from dataclasses import replace

import numpy as np
import pytest

from vidseq.classroom import palette
from vidseq.classroom.actions import ACTIONS
from vidseq.classroom.drawing.hair import HAIR_COLORS
from vidseq.classroom.drawing.things import KINDS
from vidseq.classroom.render import render
from vidseq.classroom.scene import Figure, Scene, Thing
from vidseq.errors import UserError

SIZES = [(160, 90), (320, 180), (300, 400), (480, 270), (1920, 1080)]
MOVES = [*ACTIONS, "walk", "stand", "show_card"]


def child(**changes: object) -> Figure:
    return replace(Figure(figure="child0", x=0.5, depth=0.6, action="stand", phase=0.3), **changes)  # type: ignore[arg-type]


def scene(*items: Figure | Thing, **changes: object) -> Scene:
    figures = tuple(item for item in items if isinstance(item, Figure))
    things = tuple(item for item in items if isinstance(item, Thing))
    return replace(Scene(time=0.0, figures=figures, things=things, layout_seed=3), **changes)  # type: ignore[arg-type]


def thing(kind: str, **changes: object) -> Thing:
    return replace(Thing(thing=kind, kind=kind, x=0.5, depth=0.4), **changes)  # type: ignore[arg-type]


def small(*items: Figure | Thing, **changes: object) -> np.ndarray:
    return render(scene(*items, **changes), 240, 136)


def difference(first: np.ndarray, second: np.ndarray) -> int:
    """How many pixels differ clearly."""
    return int((np.abs(first.astype(int) - second).max(axis=2) > 40).sum())


def full_scene() -> Scene:
    figures = [
        child(figure=f"child{k}", x=0.15 + 0.22 * k, action=action, facing=1 - 2 * (k % 2), name_tag=name)
        for k, (action, name) in enumerate((("paint", "Maya"), ("dance", None), ("sweep", "Otto"), ("draw", None)))
    ]
    things = [thing(kind, x=0.05 + 0.05 * k, color="red") for k, kind in enumerate(KINDS)]
    return scene(*figures, *things, brightness=0.94, warmth=0.2, camera=(0.003, -0.002))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_any_size(width: int, height: int) -> None:
    image = render(full_scene(), width, height)
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8


def test_the_same_scene_gives_the_same_bytes() -> None:
    before = render(full_scene(), 320, 180)
    small(child(action="dance"))
    assert np.array_equal(before, render(full_scene(), 320, 180))


def test_drawing_leaves_the_cached_room_alone() -> None:
    empty = small().copy()
    small(child(), thing("chair", color="red"), thing("rug", color="blue"))
    assert np.array_equal(empty, small())


def pairs_differ(images: dict[str, np.ndarray], pixels: int) -> None:
    names = list(images)
    for k, first in enumerate(names):
        for second in names[k + 1 :]:
            found = difference(images[first], images[second])
            assert found >= pixels, f"{first} and {second} look alike: {found} pixels"


def test_every_action_looks_different() -> None:
    pairs_differ({action: small(child(action=action)) for action in MOVES if action != "show_card"}, 40)


@pytest.mark.parametrize("action", MOVES)
def test_every_action_is_drawn_at_any_phase_for_anybody(action: str) -> None:
    for phase in (0.0, 0.37, 1.9, 61.0, 3600.0):
        for figure in (child(facing=-1), child(adult=True), child(x=0.0, depth=1.0), child(x=1.0, depth=0.0)):
            small(replace(figure, action=action, phase=phase))


@pytest.mark.parametrize("action", [action for action in MOVES if action not in ("stand", "show_card")])
def test_actions_move(action: str) -> None:
    first = small(child(action=action, phase=0.0))
    assert any(difference(first, small(child(action=action, phase=phase))) > 0 for phase in (0.2, 0.5, 0.9))


def test_every_kind_of_thing_looks_different() -> None:
    pairs_differ({kind: small(thing(kind, color="red")) for kind in KINDS}, 20)


@pytest.mark.parametrize(
    ("kind", "values"),
    [("television", palette.PROGRAMMES), ("box", palette.TOYS)],
)
def test_every_content_looks_different(kind: str, values: tuple[str, ...]) -> None:
    state = "on" if kind == "television" else "open"
    images = {value: small(thing(kind, color="purple", state=state, content=value)) for value in values}
    images["nothing"] = small(thing(kind, color="purple", state="off" if kind == "television" else "closed"))
    pairs_differ(images, 60)


def test_every_symbol_and_present_looks_different() -> None:
    teacher = child(adult=True, action="show_card")
    cards = {symbol: small(replace(teacher, holding=f"card:{symbol}")) for symbol in palette.SYMBOLS}
    pairs_differ({**cards, "no card": small(teacher)}, 50)
    gifts = {gift: small(child(holding=gift)) for gift in palette.GIFTS}
    pairs_differ({**gifts, "nothing": small(child())}, 50)


@pytest.mark.parametrize("kind", ["chair", "box", "rug", "table", "door"])
def test_every_colour_of_a_thing_looks_different(kind: str) -> None:
    colors = [*palette.COLORS, "brown"]
    pairs_differ({color: small(thing(kind, color=color, state="closed")) for color in colors}, 100)


def test_every_shirt_hair_and_style_looks_different() -> None:
    pairs_differ({color: small(child(shirt=color)) for color in palette.COLORS}, 100)
    pairs_differ({style: small(child(hair_style=style)) for style in palette.HAIR_STYLES}, 20)
    pairs_differ({hair: small(child(hair=hair)) for hair in palette.HAIR}, 20)
    assert set(palette.HAIR) <= set(HAIR_COLORS)


def test_states_show() -> None:
    for kind, calm, busy in (("door", "closed", "open"), ("bell", "", "ringing"), ("lamp", "", "flashing")):
        assert difference(small(thing(kind, state=calm)), small(thing(kind, state=busy))) > 60


def test_names_are_legible_and_large() -> None:
    plain, tagged, other = (render(scene(child(name_tag=name)), 480, 270) for name in (None, "Frank", "Maya"))
    rows = np.nonzero((plain != tagged).any(axis=(1, 2)))[0]
    assert np.ptp(rows) >= 22
    assert difference(tagged, other) > 200


def test_a_name_tag_stays_in_the_picture() -> None:
    for x in (0.0, 1.0):
        plain, tagged = (small(child(x=x, depth=0.0, name_tag=name)) for name in (None, "Maximilian"))
        columns = np.nonzero((plain != tagged).any(axis=(0, 2)))[0]
        assert 0 < columns.min() < columns.max() < 239


def test_the_nearer_one_hides_the_farther_one() -> None:
    near, far = child(figure="near", depth=0.7, shirt="red"), child(figure="far", depth=0.6, shirt="blue")
    assert np.array_equal(small(near, far), small(far, near))
    shirt = palette.COLORS["red"]
    seen = [
        np.abs(small(*figures).astype(int) - shirt).max(axis=2).__lt__(30).sum() for figures in ((near,), (near, far))
    ]
    assert seen[1] >= 0.95 * seen[0]
    blue = [
        np.abs(small(*figures).astype(int) - palette.COLORS["blue"]).max(axis=2).__lt__(30).sum()
        for figures in ((far,), (near, far))
    ]
    assert blue[1] < 0.5 * blue[0]


def test_nearer_is_larger_and_lower() -> None:
    empty = small()
    rows = []
    for depth in (0.0, 1.0):
        changed = np.nonzero((small(child(depth=depth)) != empty).any(axis=(1, 2)))[0]
        rows.append((np.ptp(changed), changed.max()))
    assert rows[1][0] > 1.2 * rows[0][0]
    assert rows[1][1] > rows[0][1] + 30


def test_facing_mirrors() -> None:
    assert difference(small(child(action="water_plant")), small(child(action="water_plant", facing=-1))) > 100


def test_figures_throw_a_shadow() -> None:
    empty, image = render(scene(), 480, 270), render(scene(child()), 480, 270)
    row = int(270 * (0.60 + 0.365 * 0.6)) + 5
    assert image[row, 232:248].astype(int).sum() < empty[row, 232:248].astype(int).sum()


def test_the_camera_moves_the_picture_by_parts_of_a_pixel() -> None:
    still = small(child())
    moved = small(child(), camera=(2 / 240, 1 / 136))
    assert np.abs(moved[1:, 2:].astype(int) - still[:-1, :-2]).max() <= 1
    half = small(child(), camera=(0.5 / 240, 0.0))
    assert not np.array_equal(half, still)
    assert np.abs(half.astype(int) - still).mean() < np.abs(moved.astype(int) - still).mean()


def test_light_changes_brightness_and_warmth() -> None:
    normal = small().mean(axis=(0, 1))
    assert (small(brightness=0.8).mean(axis=(0, 1)) < normal).all()
    warm, cold = small(warmth=1.0).mean(axis=(0, 1)), small(warmth=-1.0).mean(axis=(0, 1))
    assert warm[0] - warm[2] > cold[0] - cold[2] + 20


def test_rooms_differ_by_layout() -> None:
    images = [render(scene(layout_seed=seed), 240, 136) for seed in range(4)]
    assert all(difference(images[0], image) > 100 for image in images[1:])


def test_distractors_are_drawn() -> None:
    balloon = thing("balloon", color="pink")
    assert difference(small(), small(distractors=(balloon,))) > 50


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (child(action="dnace"), "Unknown action 'dnace'. Did you mean 'dance'"),
        (child(shirt="reed"), "Unknown colour 'reed'. Did you mean 'red'"),
        (child(hair="blnd"), "Unknown hair colour 'blnd'. Did you mean 'blond'"),
        (child(hair_style="bunn"), "Unknown hair style 'bunn'. Did you mean 'bun'"),
        (child(holding="card:starr"), "Unknown symbol 'starr'. Did you mean 'star'"),
        (child(holding="kit"), "Unknown toy 'kit'. Did you mean 'kite'"),
        (thing("chiar"), "Unknown thing kind 'chiar'. Did you mean 'chair'"),
        (thing("chair", color="bleu"), "Unknown colour 'bleu'. Did you mean 'blue'"),
        (thing("television", state="on", content="rokcet"), "Unknown programme 'rokcet'. Did you mean 'rocket'"),
        (thing("box", color="red", state="open", content="tedy"), "Unknown toy 'tedy'. Did you mean 'teddy'"),
    ],
)
def test_what_cannot_be_drawn_is_named(broken: Figure | Thing, message: str) -> None:
    with pytest.raises(UserError, match=message):
        small(broken)


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(UserError, match="Rendering expects at least 160x90 pixels, got 120x90"):
        render(scene(), 120, 90)
