"""Verbs that use models, and tell what things are."""

from pathlib import Path


def predict(
    source: str,
    model: Path,
    *,
    question: list[str] | None = None,
    at: list[float] | None = None,
    next_question: list[str] | None = None,
    futures_at: list[float] | None = None,
    every: float = 1.0,
    out: Path | None = None,
    save_video: Path | None = None,
    stream: bool = False,
    context: float | None = None,
    weights: str = "pretrained",
    device: str = "auto",
    top: int = 5,
    limit: int | None = None,
    skip_bad: bool = False,
) -> int:
    """Answers questions about videos and names the next action.

    Args:
        source: a video file, a folder, a glob, a camera number such as 0, or a stream's address.
        model: a run's or model's folder.
        question: what to ask; may be repeated.
        at: when to ask each question, in seconds; at the end if left out. One time holds for all questions.
        next_question: whose next action to name, such as "What will the child in the red shirt do next?"; may be
            repeated; the standing question if left out.
        futures_at: from when on to foretell what happens, in seconds, with a model trained for action_sequence; from
            the end on if left out; may be repeated.
        every: seconds from one next action to the following one.
        out: .jsonl, .csv or .srt; one JSON object a line on standard output if left out.
        save_video: writes the video with what is predicted drawn on it, but for futures; a folder if there are several
            sources.
        stream: print each row as soon as it is known.
        context: show the model only so many seconds of the past.
        weights: a local file with the backbone's weights, if they are not the pretrained ones.
        device: where to compute.
        top: how many answers to rank.
        limit: only the first so many seconds of each source.
        skip_bad: go on without damaged frames.
    """
    from vidseq.inference.request import PredictionRequest
    from vidseq.inference.run import predict_sources

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
    failed = predict_sources(source, model, request, out=out, save_video=save_video, live=stream, weights=weights,
                             device=device, skip_bad=skip_bad)  # fmt: skip
    return 1 if failed else 0


def info(path: Path | None = None) -> None:
    """Tells what a video, data set, model or run is; without a path, what vidseq has and runs on.

    Args:
        path: a video file, or the folder of a data set, model or run.
    """
    from vidseq.commands.describe import describe

    print(describe(path))
