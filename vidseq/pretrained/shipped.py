"""Finds shipped models by name. `recipes/classroom_pretrained.py` makes them."""

from pathlib import Path

#: Where they lie, a folder each.
FOLDER = Path(__file__).parent
#: Says of each model what it was trained on, how well it does, and under which licence it comes.
CARD_FILE = "card.md"


def pretrained_models() -> tuple[str, ...]:
    """The names of the shipped models, sorted."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob(f"*/{CARD_FILE}")))


def pretrained_folder(name: str) -> Path | None:
    """The folder of a shipped model; None: no shipped model has this name."""
    return FOLDER / name if name in pretrained_models() else None
