"""Predicting on everything that a source names: files at once, cameras and streams as they come."""

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vidseq import __version__
from vidseq.checkpoint import find_checkpoint
from vidseq.claims import check_page_name
from vidseq.data.dataset import Dataset
from vidseq.data.format import INFO_FILE, QUERIES_FILE, SEGMENTS_FILE, VIDEOS_FILE
from vidseq.errors import UserError
from vidseq.files import refuse_unwritable
from vidseq.inference.batch import Batch
from vidseq.inference.dataset_queries import DatasetQueries
from vidseq.inference.predictions import Prediction, formatter, to_json
from vidseq.inference.request import PredictionRequest
from vidseq.inference.row_file import RowFile
from vidseq.inference.row_reader import IsolatedReader, RowReader, RowSettings
from vidseq.inference.sources import Source, Sources, find_sources
from vidseq.video.addresses import is_live
from vidseq.video.folder import VIDEO_SUFFIXES
from vidseq.video.live import LiveLimits
from vidseq.video.writer import check_name, refuse_source
from vidseq.watch import PATIENCE_SECONDS


def predict_sources(
    source: str,
    model_folder: Path | str,
    request: PredictionRequest,
    *,
    others: Sequence[Path | str] = (),
    data: Path | str | None = None,
    out: Path | None = None,
    save_video: Path | None = None,
    html: Path | None = None,
    live: bool = False,
    weights: str = "pretrained",
    device: str = "auto",
    skip_bad: bool = False,
    reconnect_seconds: float = LiveLimits.reconnect,
    stall_seconds: float = PATIENCE_SECONDS,
    form: Callable[[Prediction], str] = to_json,
    say: Callable[[str], None] = print,
) -> dict[str, str]:
    """Predicts on everything that a source names; a video that fails is reported, and the rest goes on.

    Rows are on disk as soon as they are known, in `<out>.part` until all videos are finished. If the process stops
    before, the same call goes on after the videos that are finished.

    Args:
        source: a file, folder, glob, camera number or stream address.
        model_folder: the model.
        request: what to ask.
        others: models whose frame labels are averaged with the model's, see `Ensemble`. Videos are then labelled, and
            asked nothing.
        data: a data set that the videos belong to: its queries about them are asked in place of the request's, and
            rows hold the right answers, too.
        out: where rows go, by ending; None: each to `say`, in `form`.
        save_video: where the annotated video goes; a folder where the source is a folder or glob. Of a live source it
            is a recording of what the model reads, which is on disk as it grows.
        html: page with the rows of all videos beside the videos; see `vidseq.timeline`.
        live: say each row as soon as it is known.
        weights: of the backbone, see `BackboneConfig`.
        device: where to compute.
        skip_bad: go on without damaged frames.
        reconnect_seconds: how long to try to reach a live source again that was lost.
        stall_seconds: after how many seconds without progress a video of a folder or glob counts as failed. They are
            read in a process of their own, so that none ends or holds up the others; the calling script then needs
            `if __name__ == "__main__"`.
        form: turns a row into what is said, such as `TerminalTable`; a line of JSON.
        say: takes a line of output.

    Returns:
        why each video that failed did.

    Raises:
        UserError: nothing to predict on, an unknown format to write, rows that cannot be written, something that the
            model was not trained for, several models that are asked or read a live source, or a source that is no
            video of the data set.
        DataError: the data set cannot be read.
        ModelError: a model cannot be loaded.
        FingerprintError: several models read other features.
        Exception: whatever made the only video of a source fail that is neither folder nor glob.
    """
    if out is not None:
        formatter(out)
    if html is not None:
        check_page_name(html, "--html")
    if not stall_seconds > 0:
        raise UserError(f"--stall expects more than 0 s, got {stall_seconds:g}.")
    if not reconnect_seconds >= 0:
        raise UserError(f"--reconnect expects 0 s or more, got {reconnect_seconds:g}.")
    found = find_sources(source, apart_from=save_video)
    targets = _annotated_files(found, save_video)
    if html is not None and any(is_live(video.path) for video in found.videos):
        raise UserError("--html expects video files, got a live source. Record it first.")
    if others:
        _check_alone(request, found, data=data is not None, live=live)
    dataset = None if data is None else Dataset.load(data)
    listed = None if dataset is None else DatasetQueries(dataset)
    if listed is not None:
        listed.check([video.path for video in found.videos], request, live=live)
    settings = RowSettings(
        model=Path(model_folder), others=tuple(map(Path, others)), request=request,
        data=None if data is None else Path(data), targets=targets, live=live, weights=weights, device=device,
        skip_bad=skip_bad, limits=LiveLimits(reconnect=reconnect_seconds),
    )  # fmt: skip
    reader = IsolatedReader(settings, stall_seconds) if found.several else RowReader(settings, listed)
    with contextlib.closing(reader):
        rows = None if out is None else _row_file(out, found, settings, save_video)
        for note in found.notes:
            print(f"vidseq: {note}", file=sys.stderr)
        batch = Batch(found, reader, lambda row: say(form(row)), rows, keep=html is not None)
        batch.run()
    if html is not None:
        from vidseq.inference.timeline import write_page  # renders with jinja2

        name = f"mean of {len(others) + 1}" if others else Path(model_folder).resolve().name
        write_page(html, batch, name, dataset, found)
    if batch.num_known and (rows is not None or form is not to_json):
        say(f"{batch.num_right} of {batch.num_known} answers are right.")
    return batch.failed


def _check_alone(request: PredictionRequest, found: Sources, *, data: bool, live: bool) -> None:
    """Refuses what several models together cannot do, and says what they leave out.

    Raises:
        UserError: they would be asked, or would read a source as it comes.
    """
    asked = {
        "--question": request.questions,
        "--next-question": request.next_questions,
        "--futures-at": request.futures_at,
        "--every": request.every != PredictionRequest.every,
        "--context": request.context_seconds is not None,
        "--data": data,
        "--stream": live,
        "a live source": any(is_live(video.path) for video in found.videos),
    }
    for what in (what for what, is_there in asked.items() if is_there):
        raise UserError(f"Several models label the frames of whole videos together, got {what}. Name one model.")
    print("vidseq: several models: the mean of their frame labels is predicted, and nothing else.", file=sys.stderr)


def _row_file(out: Path, found: Sources, settings: RowSettings, save_video: Path | None) -> RowFile:
    command = {
        "vidseq": __version__,
        "model": [
            stamp
            for model in (settings.model, *settings.others)
            for stamp in _stamps(find_checkpoint(model), "*.json", "*.safetensors")
        ],
        "data": settings.data and _stamps(settings.data, INFO_FILE, VIDEOS_FILE, SEGMENTS_FILE, QUERIES_FILE),
        "request": dataclasses.asdict(settings.request),
        "options": [settings.live, settings.weights, settings.skip_bad, save_video and str(save_video)],
    }
    live = any(is_live(video.path) for video in found.videos)
    return RowFile(out, command, several=found.several, live=live)


def _annotated_files(found: Sources, save_video: Path | None) -> Mapping[Source, Path]:
    """Where the annotated copy of each video goes.

    Raises:
        UserError: a file is named for several videos, or a folder for a live source.
        OSError: nothing can be written there.
    """
    if save_video is None:
        return {}
    if save_video.is_dir() and is_live(found.videos[0].path):
        raise UserError(
            f"--save-video expects a file name for a live source, got the folder '{save_video}'. "
            f"Name a file such as '{save_video / 'live.mp4'}'."
        )
    if found.several and (save_video.is_file() or _names_a_file(save_video)):
        raise UserError(
            f"--save-video expects a folder where --source is a folder or glob, got the file name '{save_video}'. "
            f"Name a folder such as '{save_video.with_suffix('')}'."
        )
    if found.several or save_video.is_dir():
        targets = {video: save_video / f"{video.name}.mp4" for video in found.videos}
    else:
        check_name(save_video)
        targets = dict.fromkeys(found.videos, save_video)
    for video, target in targets.items():
        if not is_live(video.path):
            refuse_source(video.path, target)
    refuse_unwritable(save_video)
    return targets


def _names_a_file(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def _stamps(folder: Path, *patterns: str) -> list[tuple[str, int, int]]:
    """What changes when a file of a folder is replaced."""
    files = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
