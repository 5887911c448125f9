"""Features of a whole data set: every video through a CNN, or taken over from where they are already."""

from fractions import Fraction
from pathlib import Path

from vidseq.data.dataset import Dataset
from vidseq.errors import DataError, UserError
from vidseq.features.base import Backbone
from vidseq.features.external import external_fingerprint, import_features
from vidseq.features.extract import extract_features
from vidseq.features.report import ExtractReport
from vidseq.features.store import FeatureStore


def extract_dataset_features(
    dataset: Dataset,
    backbone: Backbone,
    fps: Fraction | float | str,
    *,
    decoder: str = "auto",
    workers: int = 1,
    limit: int | None = None,
    skip_bad: bool = False,
) -> ExtractReport:
    """Runs a CNN over the videos of a data set and keeps the features in its folder; videos done before are skipped.

    Args:
        dataset: its videos need files.
        backbone: the CNN.
        fps: frames a second to sample.
        decoder: "auto", "decord" or "pyav", see `VideoReader`.
        workers: videos at the same time.
        limit: only the first so many videos; None: all.
        skip_bad: leave damaged frames out of a video, rather than the video out of the features.

    Returns:
        what became of each video; one that cannot be read counts as failed and the rest goes on.

    Raises:
        DataError: no video of the data set has a file.
        UserError: a limit or number of workers below 1.
    """
    for what, value in (("limit", limit), ("workers", workers)):
        if value is not None and value < 1:
            raise UserError(f"Making features expects {what} of at least 1, got {value}.")
    files = [(name, path) for name in dataset.videos if (path := dataset.video_path(name)) is not None][:limit]
    if not files:
        raise DataError(
            f"Data set '{dataset.info.name}' expects videos with a path to make features of, got none. "
            "Name the files in videos.jsonl, or take over features that you have (--source)."
        )
    store = FeatureStore.create_in(dataset.folder, backbone.fingerprint(fps, decoder))
    return extract_features(files, store, backbone, fps, decoder=decoder, workers=workers, skip_bad=skip_bad)


def import_dataset_features(
    dataset: Dataset, source: Path | str, name: str, fps: Fraction | float | str
) -> ExtractReport:
    """Takes over features that are there already, one file a video of the data set.

    Args:
        dataset: what the features are of.
        source: folder with `<video>.npy` or `.npz` files, see `import_features`.
        name: what made them, for the fingerprint.
        fps: rows a second.
    """
    store = FeatureStore.create_in(dataset.folder, external_fingerprint(name, fps))
    return import_features(source, store, videos=dataset.videos)
