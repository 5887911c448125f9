"""Which files belong to a model on a hub. None of them is a pickle or a program."""

from vidseq.checkpoint import CONFIG_FILE

#: The card, as the hub calls it.
CARD_FILE = "README.md"


def is_model_file(name: str) -> bool:
    """Whether a file, by its path in the repository, is read as a part of a model."""
    return name in (CONFIG_FILE, CARD_FILE) or (name.endswith(".safetensors") and "/" not in name)
