"""The values of things in the classroom: colours, names, symbols, toys, and the positions of zones.

States of the world in a `Scene` (which the world writes and the renderer reads):

* children: `Figure.action` is one of `actions.ACTIONS` or "walk"; `holding` is one of `GIFTS` while a child holds it
  up; `name_tag` is set only for a few seconds at the door.
* the teacher: figure "teacher", adult, action "stand", or "show_card" with `holding="card:<symbol of SYMBOLS>"`.
* television: kind "television", state "on" with `content` one of `PROGRAMMES`, or "off" (black).
* boxes: kind "box", one of each colour; state "open" with `content` one of `TOYS` (the toy shows above the open box),
  or "closed" with content None.
* the chair: kind "chair", color "brown" (plain wood) or a name of `COLORS` for a few seconds.
* door: kind "door", state "open" while somebody comes in, else "closed".
* bell and lamp: kinds "bell" and "lamp", state "ringing" or "flashing" for a moment, else "".
* what stands in a zone has the kinds "rug", "table", "easel", "bookshelf", "sink", "window", "drum", "toy_shelf" and
  "coat_rack"; rug, table and door have a colour of `COLORS`.
* distractors mean nothing: kinds "fly", "balloon" and "cat", any colour.
"""

#: Colours that are easy to distinguish, as RGB. A small world uses the first ones.
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (214, 48, 49),
    "blue": (45, 105, 225),
    "green": (46, 160, 67),
    "yellow": (250, 208, 44),
    "purple": (142, 68, 173),
    "orange": (243, 133, 32),
    "pink": (245, 140, 190),
    "black": (40, 40, 44),
}

#: Colours of things that no question asks for.
NEUTRAL: dict[str, tuple[int, int, int]] = {
    "brown": (150, 106, 68),
    "white": (245, 244, 240),
    "grey": (150, 152, 156),
}

#: Names of children.
NAMES = ("Frank", "Maya", "Otto", "Lina", "Ben", "Zoe", "Ivan", "Nora", "Tom", "Ada", "Hugo", "Eva")

#: Symbols of the teacher's cards, and television programmes: three each, one per turn.
SYMBOLS = ("star", "moon", "heart")
PROGRAMMES = ("rocket", "fish", "clown")

#: Toys that go into boxes, and presents that a child holds up.
TOYS = ("teddy", "car", "duck", "robot")
GIFTS = ("kite", "flag", "trumpet", "umbrella")

HAIR = ("black", "brown", "blond", "red")
HAIR_STYLES = ("short", "long", "bun", "curly", "tail")

#: (x, depth) of each zone before a video shifts it slightly; see `scene.Figure` for the axes.
ZONES: dict[str, tuple[float, float]] = {
    "door": (0.06, 0.12),
    "coats": (0.18, 0.08),
    "books": (0.31, 0.12),
    "window": (0.50, 0.08),
    "easel": (0.69, 0.15),
    "sink": (0.90, 0.12),
    "shelf": (0.12, 0.58),
    "rug": (0.32, 0.72),
    "floor": (0.55, 0.50),
    "table": (0.73, 0.72),
    "drum": (0.92, 0.60),
}

#: Wording of zones in questions.
ZONE_WORDS: dict[str, str] = {
    "books": "at the bookshelf",
    "window": "at the window",
    "easel": "at the easel",
    "sink": "at the sink",
    "shelf": "at the toy shelf",
    "rug": "on the rug",
    "floor": "in the middle of the room",
    "table": "at the table",
    "drum": "at the drum",
}

#: Things that always have a colour, which changes, and things that give signals.
COLORED = ("rug", "table", "door")
SIGNALS = ("bell", "lamp")

#: (x, depth) of the teacher and of things without a zone.
POSITIONS: dict[str, tuple[float, float]] = {
    "teacher": (0.41, 0.03),
    "television": (0.80, 0.02),
    "chair": (0.52, 0.88),
    "bell": (0.25, 0.0),
    "lamp": (0.60, 0.0),
}

#: (x, depth) of the boxes along the front, left to right; each video draws their colours.
BOX_POSITIONS = ((0.10, 0.97), (0.24, 0.97), (0.72, 0.97), (0.88, 0.97), (0.38, 0.99), (0.62, 0.99))
