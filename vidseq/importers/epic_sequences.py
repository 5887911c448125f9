"""EPIC-Kitchens-100 as a data set whose frames are actions, with features made of the actions' labels."""

from pathlib import Path

from vidseq.data.dataset import Dataset
from vidseq.features.store import FeatureStore
from vidseq.importers import epic
from vidseq.importers.action_steps import write_action_steps


def epic_steps(source: Path, out: Path, kind: str) -> tuple[Dataset, FeatureStore]:
    """Makes the data set of one kind of label, an action a second, and its features; official validation is "test".

    All kinds share the features, which are made of verb and noun. What is in the folder already is loaded.

    Args:
        source: the folder of the annotations, see `vidseq.importers.epic`.
        out: folder for the converted annotations and the steps.
        kind: the label to predict: "verb", "noun" or "action".
    """
    labelled = {}
    for name in ("verb", "noun", kind):
        folder = out / "annotations" / name
        if not (folder / "dataset.json").is_file():
            epic.convert(source, folder, labels=name, group="participant", name=f"epic_kitchens_100_{name}")
        labelled[name] = Dataset.load(folder)
    steps, features = out / "steps" / kind, out / "steps" / "verb"
    if not (features / "dataset.json").is_file():
        write_action_steps(features, labelled["verb"], [labelled["verb"], labelled["noun"]], {"val": "test"})
    if not (steps / "dataset.json").is_file():
        write_action_steps(steps, labelled[kind], [], {"val": "test"})
    return Dataset.load(steps), FeatureStore.open_in(features)
