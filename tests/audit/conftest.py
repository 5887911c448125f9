"""Data sets with features that are made so that it is known what answers their questions."""

from pathlib import Path

import numpy as np
import pytest

from vidseq.data.dataset import write_dataset
from vidseq.data.schema import DatasetInfo, Query, Video
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore

COLORS = ("red", "green", "blue", "white")
#: What the other half of the questions of a family with two subjects is answered with.
PROGRAMMES = ("news", "film", "quiz", "cartoon")
FPS = 2
FRAMES = 40
MADE = Fingerprint(
    backbone="made", weights="external", input_size=0, resize="external", fps=str(FPS), engine="external"
)
#: Wordings that tell nothing of the answer.
WORDINGS = {
    "memory": ("Which colour was the card at the start?", "What colour did the first card have?"),
    "present": ("Which colour is the lamp now?", "What colour does the lamp have?"),
}


def make_videos(rng, folder, plant):
    """Each video shows a card's colour in its first second (channels 0 to 3) and a lamp's at the end (4 to 7)."""
    store = FeatureStore.create_in(folder, MADE)
    videos, queries = [], []
    for number in range(60):
        split = "train" if number < 34 else "test"
        video = Video(video=f"v{number:02d}", split=split, duration=FRAMES / FPS, group=f"g{number // 2}")
        features = rng.normal(0, 0.2, (FRAMES, 12)).astype(np.float32)
        card, lamp = rng.integers(4, size=2)
        features[:2, card] += 2
        features[:, 4 + lamp] += 2
        if plant == "last_frame":
            features[:, 8 + card] += 2
        store.write(video.video, features, np.arange(FRAMES) / FPS)
        videos.append(video)
        for time in rng.choice(np.arange(16, 39), 3, replace=False) / FPS:
            queries += [ask(rng, video, time, "memory", card, plant), ask(rng, video, time, "present", lamp, plant)]
    return videos, queries


def ask(rng, video, time, family, answer, plant):
    """One question; what is planted tells its answer by another way than the one that it is about."""
    wording, names, choices = WORDINGS[family][int(rng.integers(2))], list(COLORS), ()
    if plant in ("wording", "two subjects, wording"):
        wording += (" Tell me.", " Please tell.", " Say it.", " Well?")[answer]
    if plant.startswith("two subjects") and family == "memory" and rng.integers(2):
        wording, names = wording.replace("card", "programme"), list(PROGRAMMES)
    if plant == "time":
        time = 8.0 + 2.5 * answer + float(rng.random())
    if plant in ("choices", "position", "length"):
        names, choices = offer(rng, answer, plant)
    return Query(
        video=video.video,
        time=round(time, 3),
        kind="question",
        question=wording,
        answer=names[answer],
        choices=choices,
        family=family,
        evidence=((0.0, 1.0),) if family == "memory" else ((time - 0.5, time),),
    )


def offer(rng, answer, plant):
    """The colours, made longer by chance, and the order in which they are offered."""
    lengths = rng.integers(3, size=4)
    if plant == "length":
        lengths[answer] = 3
    names = [color + "-ish" * int(length) for color, length in zip(COLORS, lengths)]
    order = list(rng.permutation(4))
    if plant == "position":
        order.remove(answer)
        order.insert(1, answer)
    return names, tuple(names[place] for place in order)


@pytest.fixture
def planted(tmp_path):
    """Makes the data set with a shortcut and a seed; gives its folder."""

    def make(plant: str, seed: int = 0) -> Path:
        folder = tmp_path / f"{plant}{seed}"
        videos, queries = make_videos(np.random.default_rng(seed), folder, plant)
        labels = (*(f"{color}{'-ish' * count}" for color in COLORS for count in range(4)), *PROGRAMMES)
        write_dataset(folder, DatasetInfo(name=plant, labels={"answer": labels}), videos, (), queries)
        return folder

    return make
