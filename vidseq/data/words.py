"""Numbers and labels in words, for people, and lists of words from them."""


def count(number: int, thing: str) -> str:
    """Counts things: "1 query", "2 queries"."""
    many = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{number:,} {thing if number == 1 else many}"


def label_in_words(label: str) -> str:
    """Writes a label: "cut cheese" for "cut_cheese"."""
    return label.replace("_", " ")


def clock(seconds: float, step: float = 1.0) -> str:
    """Writes a time: "4.5 s" below a minute, "1:04", "1:00:04"."""
    if seconds < 60:
        return f"{seconds:.1f} s" if step < 1 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def percent(fraction: float, *, signed: bool = False) -> str:
    """Writes a share in percent without its sign: "72.1", with `signed` "+72.1", and a dash for NaN."""
    return "–" if fraction != fraction else f"{100 * fraction:{'+' if signed else ''}.1f}"


def comma_words(*texts: str) -> tuple[str, ...]:
    """The words of texts that are lists with commas; without empty ones and the word "none"."""
    return tuple(word.strip() for text in texts for word in text.split(",") if word.strip() not in ("", "none"))
