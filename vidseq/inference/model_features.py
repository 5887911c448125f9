"""Finds the features of a data set that models need, where it has several kinds."""

from collections.abc import Sequence
from pathlib import Path

from vidseq.checkpoint import find_checkpoint, read_config
from vidseq.data.moments import OBSERVED_LABELS, shows_observed_labels
from vidseq.errors import FingerprintError
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.memory import MemoryFeatures
from vidseq.features.store import FeatureStore


def open_features(
    dataset_folder: Path | str, models: Sequence[Path | str], features: str | None = None
) -> FeatureStore:
    """Opens the features of a data set that models were trained on.

    Args:
        dataset_folder: the data set.
        models: folders of runs or models, or names of models that ship; none: no kind of features is preferred.
        features: the start of the name of a features folder; None: the only ones, or, of several, those that the
            models need.

    Raises:
        FileNotFoundError: the data set has no features.
        FingerprintError: no features are those of the models, models need different ones, or several are meant.

    Observed labels are no files: models of them get a store without videos, see `vidseq.data.moments`.
    """
    wanted = [(model, _needed(model)) for model in models] if features in (None, OBSERVED_LABELS) else []
    for _, fingerprint in wanted:
        if fingerprint is not None and shows_observed_labels(fingerprint):
            return MemoryFeatures(fingerprint)
    made = [store for store in FeatureStore.all_in(dataset_folder) if len(store)]
    if features is not None or len(made) < 2:
        return FeatureStore.open_in(dataset_folder, features)
    fitting, needed = made, None
    for model, fingerprint in wanted:
        if fingerprint is None:
            continue
        if not any(fingerprint.matches(store.fingerprint) for store in made):
            raise FingerprintError(
                f"Model {model} expects features {fingerprint.name}, got {_names(made)} in {dataset_folder}. "
                "Make them with `vidseq features --like`."
            )
        shared = [store for store in fitting if fingerprint.matches(store.fingerprint)]
        if not shared:
            raise FingerprintError(
                f"Models expect one kind of features, got {model} with {fingerprint.name} after others with "
                f"{_names(fitting)}. Ask for them one by one."
            )
        fitting, needed = shared, needed or fingerprint
    return _only(fitting, needed) or FeatureStore.open_in(dataset_folder)


def _needed(model: Path | str) -> Fingerprint | None:
    return read_config(find_checkpoint(model)).fingerprint


def _only(stores: Sequence[FeatureStore], needed: Fingerprint | None) -> FeatureStore | None:
    """The one store, or of several engines the one that is needed; None: nothing says which."""
    exact = [store for store in stores if store.fingerprint == needed]
    found = exact or (stores if len(stores) == 1 else [])
    return found[0] if found else None


def _names(stores: Sequence[FeatureStore]) -> str:
    return ", ".join(store.fingerprint.name for store in stores)
