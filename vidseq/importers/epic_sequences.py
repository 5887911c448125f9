"""The actions of EPIC-Kitchens-100 as what a model sees: a frame an action, its features the action's labels."""

from pathlib import Path

from vidseq.data.dataset import Dataset
from vidseq.features.store import FeatureStore
from vidseq.importers import epic
from vidseq.importers.action_steps import write_action_steps


def epic_steps(source: Path, out: Path, kind: str) -> tuple[Dataset, FeatureStore]:
    """The data set of one kind of label, an action a second, and its features; official validation is "test".

    All kinds share the features, of verb and noun. What has been made in the folder before is loaded.

    Args:
        source: the folder of the annotations, see `vidseq.importers.epic`.
        out: folder for the converted annotations and the steps.
        kind: what is predicted: "verb", "noun" or "action".
    """
    told = {}
    for name in ("verb", "noun", kind):
        folder = out / "annotations" / name
        if not (folder / "dataset.json").is_file():
            epic.convert(source, folder, labels=name, group="participant", name=f"epic_kitchens_100_{name}")
        told[name] = Dataset.load(folder)
    steps, features = out / "steps" / kind, out / "steps" / "verb"
    if not (features / "dataset.json").is_file():
        write_action_steps(features, told["verb"], [told["verb"], told["noun"]], {"val": "test"})
    if not (steps / "dataset.json").is_file():
        write_action_steps(steps, told[kind], [], {"val": "test"})
    return Dataset.load(steps), FeatureStore.open_in(features)
