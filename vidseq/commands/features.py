"""Verbs that turn videos into features, and features into what is retrieved."""

from pathlib import Path
from typing import Literal

from vidseq.features.backbone_config import BackboneConfig


def features(
    data: Path,
    cnn: BackboneConfig,
    *,
    fps: str = "4",
    decoder: Literal["auto", "decord", "pyav"] = "auto",
    workers: int = 2,
    limit: int | None = None,
    skip_bad: bool = False,
    source: Path | None = None,
) -> int:
    """Makes per-frame CNN features of every video, or takes over features that are there already.

    Args:
        data: folder of the data set.
        cnn: which backbone, and how it runs.
        fps: frames a second to sample, such as 4 or 30000/1001.
        decoder: auto is decord where its times agree with the packet index, PyAV elsewhere; pyav notices more damage.
        workers: videos at the same time.
        limit: only the first so many videos.
        skip_bad: leave damaged frames out of a video, rather than the video out of the features.
        source: folder of .npy or .npz files, one a video, to take over instead of running a CNN; then backbone is
            the name to give them.
    """
    from vidseq.data.dataset import Dataset
    from vidseq.data.features import extract_dataset_features, import_dataset_features
    from vidseq.features.registry import make_backbone

    dataset = Dataset.load(data)
    if source is not None:
        report = import_dataset_features(dataset, source, cnn.backbone, fps)
    else:
        report = extract_dataset_features(
            dataset, make_backbone(cnn), fps, decoder=decoder, workers=workers, limit=limit, skip_bad=skip_bad
        )
    print(report.summary())
    return 1 if report.failed else 0


def database_build(
    data: Path, out: Path, *, split: str = "train", chunk: int = 16, features: str | None = None
) -> None:
    """Builds a database of chunks of a data set's videos, for the retro head to retrieve from.

    Args:
        data: folder of the data set, with features.
        out: folder of the new database.
        split: which videos.
        chunk: frames of a chunk; the head that uses it needs the same.
        features: which features, by the start of their folder's name; needed if there are several.
    """
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore
    from vidseq.retrieval import build_database

    built = build_database(Dataset.load(data), FeatureStore.open_in(data, features), out, split=split, chunk=chunk)
    print(f"{out}: {len(built)} chunks of {sum(video.chunks > 0 for video in built.videos)} videos.")
