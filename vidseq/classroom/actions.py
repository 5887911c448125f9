"""Actions of the children, their zones, and the order of activities."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """One activity of a child."""

    name: str
    """The label in `segments.csv`."""
    zone: str
    """Zone of the action: one of `palette.ZONES`."""
    doing: str
    """Wording in questions and captions."""


#: Activities form rings of three. From each ring a child continues to the ring given by `NEXT_RING`; `DECIDED_BY` says
#: what chooses among its three activities. `scripts` explains why rings have equal sizes.
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

#: Four rings form a cycle, and two another one; a child changes between them only by noise.
NEXT_RING = (1, 2, 3, 0, 5, 4)

#: What decides the activity in the next ring: the teacher's card, the television programme, the child's own habit, or
#: the current action only.
DECIDED_BY = ("card", "current", "television", "current", "habit", "current")

#: The two activities before the rings: at the door, with the name tag visible, then at the coat rack.
ARRIVAL = (Action("come_in", "door", "coming in"), Action("hang_up_coat", "coats", "hanging up a coat"))

#: All actions by name.
ACTIONS: dict[str, Action] = {action.name: action for action in (*ARRIVAL, *(a for ring in RINGS for a in ring))}

#: (ring, position in the ring) of each action of the rings.
RING_OF: dict[str, tuple[int, int]] = {
    action.name: (ring, position) for ring, actions in enumerate(RINGS) for position, action in enumerate(actions)
}
