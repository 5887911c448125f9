"""Commands that make features of videos, and databases of features."""

from pathlib import Path
from typing import Literal

from vidseq.commands.options import option_groups
from vidseq.features.backbone_config import BackboneConfig


@option_groups({"Backbone": "backbone weights engine precision pooling resize input_size device batch_size threads"})
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
    """Makes features of the frames of every video, or imports features.

    Args:
        data: folder of the data set.
        cnn: the backbone.
        fps: frames a second to sample, such as 4 or 30000/1001.
        decoder: what reads videos; auto: decord where its times are exact, else pyav.
        workers: videos at the same time.
        limit: only the first N videos.
        skip_bad: leave damaged frames out of a video, not the video out of the features.
        source: folder of .npy or .npz files to import; --backbone names them then.
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
    """Builds a database of chunks of videos, from which the retro head retrieves.

    Args:
        data: folder of the data set, with features.
        out: folder of the new database.
        split: the videos to use.
        chunk: frames of a chunk, as many as in the head.
        features: start of the name of the features' folder, if there are several.
    """
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore
    from vidseq.retrieval import build_database

    built = build_database(Dataset.load(data), FeatureStore.open_in(data, features), out, split=split, chunk=chunk)
    print(f"{out}: {len(built)} chunks of {sum(video.chunks > 0 for video in built.videos)} videos.")
