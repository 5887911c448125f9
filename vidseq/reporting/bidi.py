"""Text of any direction beside other text: controls that would turn what follows are left out where text is shown."""

#: Unicode's embeddings, overrides and isolates. Arabic and Hebrew letters read from right to left without them.
_CONTROLS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def without_controls(text: str) -> str:
    """Leaves out the characters that change the direction of the text after them, such as U+202E."""
    return text.translate(_CONTROLS)
