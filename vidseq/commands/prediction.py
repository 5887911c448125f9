"""Commands that use models, and describe things."""

import re
import sys
from pathlib import Path

from vidseq.commands.imports import collection_paused
from vidseq.commands.options import option_groups
from vidseq.errors import UserError
from vidseq.watch import PATIENCE_SECONDS


@option_groups(
    {
        "Questions": "question at next_question futures_at every data top",
        "Output": "out save_video html stream",
        "Input": "context limit skip_bad stall reconnect weights device",
    }
)
def predict(
    source: str,
    model: list[Path],
    *,
    question: list[str] | None = None,
    at: list[float] | None = None,
    next_question: list[str] | None = None,
    futures_at: list[float] | None = None,
    every: float = 1.0,
    data: Path | None = None,
    out: Path | None = None,
    save_video: Path | None = None,
    html: Path | None = None,
    stream: bool = False,
    context: float | None = None,
    weights: str = "pretrained",
    device: str = "auto",
    top: int = 5,
    limit: int | None = None,
    skip_bad: bool = False,
    stall: float = PATIENCE_SECONDS,
    reconnect: float = 60.0,
) -> int:
    """Answers questions about videos and names the next action.

    Args:
        source: video file, folder, glob, camera such as 0, or address of a stream.
        model: folder of a run or model; of several, the mean of their frame labels is predicted.
        question: a question; may be repeated.
        at: time of the questions in seconds; may be repeated, one each; the end if left out.
        next_question: whose next action to predict, such as "What will the child in the red shirt do next?"; may be
            repeated; if left out, the standing one, where the model has learnt it.
        futures_at: time in seconds from which to forecast, with a model trained for action_sequence; the end if left
            out; may be repeated.
        every: seconds from one next action to the following one.
        data: data set of the videos: its own queries are asked, and wrong answers stand beside the right ones.
        out: .jsonl, .csv or .srt file; if left out, a table on a terminal, else a JSON object a line.
        save_video: video with the predictions drawn on it, and its sound; a folder if the source is one or a glob;
            of a live source, a silent recording.
        html: page with the predictions beside the videos.
        stream: print each row as soon as it is known.
        context: seconds of the past that the model sees; all if left out.
        weights: file with the backbone's weights, if not the pretrained ones.
        device: where to compute: auto, cpu, cuda or mps.
        top: number of answers to rank.
        limit: only the first N seconds of each source.
        skip_bad: go on without damaged frames.
        stall: seconds without progress after which a video of a folder or glob fails.
        reconnect: seconds to go on trying a camera or stream that was lost.
    """
    with collection_paused():
        from vidseq.inference.predictions import to_json
        from vidseq.inference.request import PredictionRequest
        from vidseq.inference.run import predict_sources
        from vidseq.inference.terminal import TerminalTable
        from vidseq.progress import write_line

    request = PredictionRequest(
        questions=tuple(question or ()),
        at=tuple(at or ()),
        next_questions=tuple(next_question or ()),
        futures_at=tuple(futures_at or ()),
        every=every,
        context_seconds=context,
        top=top,
        limit_seconds=limit,
    )
    form = TerminalTable(sys.stdout, with_truth=data is not None) if sys.stdout.isatty() else to_json
    failed = predict_sources(source, model[0], request, others=model[1:], data=data, out=out, save_video=save_video,
                             html=html, live=stream, weights=weights, device=device, skip_bad=skip_bad,
                             reconnect_seconds=reconnect, stall_seconds=stall, form=form, say=write_line)  # fmt: skip
    return 1 if failed else 0


def export(
    model: Path,
    *,
    onnx: Path,
    frames: int = 1024,
    picture: str = "640x480",
    weights: str = "pretrained",
) -> None:
    """Writes a model as ONNX files, which run frame by frame without torch and without vidseq.

    The folder has the CNN, a step with the state as named tensors, the answers to questions, and model.json, which
    says how to use them. `tools/run_onnx.py` is an example.

    Args:
        model: folder of a run or model, or the name of a model that ships.
        onnx: the new folder.
        frames: what a head keeps whose state would grow without a limit; then the oldest frame goes.
        picture: width and height of the videos, for models that read whole pictures.
        weights: file with the backbone's weights, if not the pretrained ones.
    """
    size = re.fullmatch(r"(\d{1,5})x(\d{1,5})", picture)
    if size is None:
        raise UserError(f"--picture expects WIDTHxHEIGHT, got {picture!r}. Example: 640x480.")
    from vidseq.onnx.export import export_onnx

    made = export_onnx(model, onnx, frames=frames, picture=(int(size[1]), int(size[2])), weights=weights)
    print(made.summary())


@option_groups({"Output": "out scores top", "Input": "weights device batch_size fps limit skip_bad"})
def label(
    source: Path,
    *,
    labels: str,
    backbone: str,
    smooth: float = 2.0,
    out: Path | None = None,
    scores: Path | None = None,
    top: int = 5,
    weights: str = "pretrained",
    device: str = "auto",
    batch_size: int = 8,
    fps: str = "4",
    limit: int | None = None,
    skip_bad: bool = False,
) -> None:
    """Labels a video by texts, without training (zero-shot).

    An image-text model compares each sampled picture with each text. It sees one picture at a time and was never
    trained for these labels: look at some results before you rely on them.

    Args:
        source: video file.
        labels: texts with commas between, such as "a child paints, a child reads"; one of them fits each moment.
        backbone: image-text model such as CLIP or SigLIP, hf:NAME; an id on the hub or a folder.
        smooth: seconds over which scores are averaged.
        out: .jsonl, .csv or .srt file; if left out, a table on a terminal, else a JSON object a line.
        scores: CSV file with the score of each text at each sample.
        top: number of labels to rank.
        weights: folder of the model, if it is not found by its name.
        device: where to compute: auto, cpu, cuda or mps.
        batch_size: images at a time.
        fps: frames a second to sample.
        limit: only the first N seconds.
        skip_bad: go on without damaged frames.
    """
    with collection_paused():
        from vidseq.data.dataset import refuse_table
        from vidseq.features.backbone_config import BackboneConfig
        from vidseq.features.image_text import ImageTextModel
        from vidseq.inference.labels_by_text import label_by_text, parse_labels
        from vidseq.inference.predictions import formatter, to_json, write_predictions
        from vidseq.inference.terminal import TerminalTable
        from vidseq.video.folder import plain_name

    texts = parse_labels(labels)
    if out is not None:
        formatter(out)
    if scores is not None:
        refuse_table(scores, "--scores")
    if not source.is_file():
        raise FileNotFoundError(f"label expects a video file, got nothing at '{source}'. Check the path.")
    model = ImageTextModel(backbone, texts, BackboneConfig(weights=weights, device=device, batch_size=batch_size))
    found = label_by_text(source, model, texts, fps=fps, smooth_seconds=smooth, limit_seconds=limit, skip_bad=skip_bad)
    rows = found.rows(plain_name(source.stem), top)
    if scores is not None:
        found.write_scores(scores)
    if out is not None:
        write_predictions(rows, out)
        return
    form = TerminalTable(sys.stdout, with_truth=False) if sys.stdout.isatty() else to_json
    for row in rows:
        print(form(row))


def info(path: Path | None = None) -> None:
    """Describes a video, data set, model or run; without a path, this installation.

    Args:
        path: video file, or folder of a data set, model or run.
    """
    from vidseq.commands.describe import describe

    print(describe(path))
