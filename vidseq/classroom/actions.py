"""What children can do, where they do it, and in which order activities lead to one another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """One activity of a child."""

    name: str
    """The label in `segments.csv`."""
    zone: str
    """Where it happens: one of `palette.ZONES`."""
    doing: str
    """How a question or a caption says it."""


#: Activities come in rings of three. From each ring a child goes on to the ring that `NEXT_RING` says; to *which* of
#: its three activities is decided as `DECIDED_BY` says. `scripts` tells why rings of equal size matter.
RINGS: tuple[tuple[Action, Action, Action], ...] = (
    (
        Action("build_blocks", "rug", "building with blocks"),
        Action("draw", "table", "drawing"),
        Action("read_book", "books", "reading a book"),
    ),
    (
        Action("paint", "easel", "painting"),
        Action("dance", "floor", "dancing"),
        Action("water_plant", "window", "watering the plant"),
    ),
    (
        Action("eat_snack", "table", "eating a snack"),
        Action("wash_hands", "sink", "washing hands"),
        Action("tidy_up", "shelf", "tidying up"),
    ),
    (
        Action("play_drum", "drum", "playing the drum"),
        Action("jump_rope", "floor", "jumping rope"),
        Action("hug_teddy", "books", "hugging the teddy"),
    ),
    (
        Action("drink_juice", "sink", "drinking juice"),
        Action("look_out", "window", "looking out of the window"),
        Action("sweep", "shelf", "sweeping the floor"),
    ),
    (
        Action("play_with_car", "rug", "playing with the car"),
        Action("do_puzzle", "easel", "doing a puzzle"),
        Action("throw_ball", "drum", "throwing the ball"),
    ),
)

#: Four rings lead in a circle, the other two to one another; only by whim does a child change sides.
NEXT_RING = (1, 2, 3, 0, 5, 4)

#: What decides the way from each ring to the next: the teacher's card, the television programme, this child's own
#: habit, or nothing but the current action.
DECIDED_BY = ("card", "current", "television", "current", "habit", "current")

#: The two activities of arriving, before the rings: at the door, with the name tag showing, then at the coat rack.
ARRIVAL = (Action("come_in", "door", "coming in"), Action("hang_up_coat", "coats", "hanging up a coat"))

#: Every action by name.
ACTIONS: dict[str, Action] = {action.name: action for action in (*ARRIVAL, *(a for ring in RINGS for a in ring))}

#: (ring, place in the ring) of each action of the rings.
RING_OF: dict[str, tuple[int, int]] = {
    action.name: (ring, place) for ring, actions in enumerate(RINGS) for place, action in enumerate(actions)
}
