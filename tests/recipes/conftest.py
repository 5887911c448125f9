"""Tiny annotations in the layout of EPIC-Kitchens-100."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def kitchens(tmp_path_factory):
    """Take, wash, put in turn, with a cup or a plate for a whole round: three labels tell the verb, one does not."""
    folder, random = tmp_path_factory.mktemp("kitchens"), np.random.default_rng(0)
    verbs, nouns = ["take", "wash", "put"], ["cup", "plate"]
    (folder / "EPIC_100_verb_classes.csv").write_text("id,key\n" + "".join(f"{n},{v}\n" for n, v in enumerate(verbs)))
    (folder / "EPIC_100_noun_classes.csv").write_text("id,key\n" + "".join(f"{n},{v}\n" for n, v in enumerate(nouns)))
    pairs = [(verb, noun) for verb in range(3) for noun in range(2)]
    (folder / "actions.csv").write_text(
        "id,verb,noun,action\n" + "".join(f"{n},{v},{o},{verbs[v]} {nouns[o]}\n" for n, (v, o) in enumerate(pairs))
    )
    for name, persons in (("training", range(1, 8)), ("validation", range(8, 12))):
        rows = []
        for person in persons:
            for video in range(2):
                noun = 0
                for step in range(24):
                    verb, noun = step % 3, int(random.integers(2)) if step % 3 == 0 else noun
                    number, start = pairs.index((verb, noun)), 60 * step
                    place = f"P{person:02d}_{video:02d}"
                    rows.append(f"{place}_{step},{place},{start},{start + 45},{verb},{noun},{number}\n")
        (folder / f"{name}.csv").write_text("".join(rows))
    return folder
