"""What the command's verbs do: each reads its options, calls one library function, and prints what came of it.

Signatures and docstrings are the command line's options and help. Heavy imports wait until a verb runs.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from vidseq.classroom.config import ClassroomConfig
from vidseq.errors import UserError
from vidseq.features.cnn_config import CnnConfig
from vidseq.training_config import TrainConfig

if TYPE_CHECKING:
    from vidseq.data.conversion import ConversionReport


Run = TypeVar("Run", bound=Callable[..., int | None])


def sets_itself(*fields: str) -> Callable[[Run], Run]:
    """Marks a verb that sets some fields of its configs by itself, so that they are no options of it."""

    def mark(run: Run) -> Run:
        run.fixed_fields = frozenset(fields)  # type: ignore[attr-defined]  # functions take attributes
        return run

    return mark


def classroom(out: Path, config: ClassroomConfig, *, workers: int = 2) -> None:
    """Generates a classroom: videos whose every answer, and the reason for it, is known.

    Args:
        out: folder of the new data set.
        config: what to generate.
        workers: processes that draw videos at the same time.
    """
    from vidseq.classroom.generate import generate

    print(f"{generate(out, config, workers=workers)}: done. Next: vidseq features --data {out}")


def data_init(
    source: Path,
    *,
    out: Path | None = None,
    name: str | None = None,
    group: str | None = None,
    split_file: Path | None = None,
    classes: bool = True,
    seed: int = 0,
    overwrite: bool = False,
    skip_bad: bool = False,
) -> int:
    """Turns a folder of videos, loose or a folder a class, into a data set.

    Args:
        source: the folder; no video is touched.
        out: folder of the data set; the source if left out.
        name: what to call it; the folder's name if left out.
        group: regular expression that finds a video's person or camera in its name; groups never share a split.
        split_file: CSV with the columns video and split; drawn by chance if left out.
        classes: whether folders name classes.
        seed: decides which videos go into which split.
        overwrite: replace a data set that is there.
        skip_bad: leave out files that cannot be read, and list them.
    """
    from vidseq.data.init import init_dataset

    report = init_dataset(
        source,
        out,
        name=name,
        group=group,
        split_file=split_file,
        classes=classes,
        seed=seed,
        overwrite=overwrite,
        skip_bad=skip_bad,
    )
    print(report.summary())
    return 1 if report.skipped else 0


def data_check(data: Path) -> int:
    """Reads a whole data set and prints each problem with its place and the fix.

    Args:
        data: folder of the data set.
    """
    from vidseq.data.check import check_dataset

    problems = check_dataset(data)
    print("\n".join([*problems, f"{data}: {len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}."]))
    return 1 if problems else 0


def data_browse(data: Path, *, out: Path | None = None, limit: int = 40) -> None:
    """Writes one HTML page with thumbnails, timelines and queries.

    Args:
        data: folder of the data set.
        out: the page; browse.html in the data set's folder if left out.
        limit: at most so many videos, from every split its share.
    """
    from vidseq.data.browse import write_browser

    print(write_browser(data, out or data / "browse.html", limit=limit))


def features(
    data: Path,
    cnn: CnnConfig,
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
        cnn: which CNN, and how it is run.
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
    from vidseq.features.cnn import CnnBackbone

    dataset = Dataset.load(data)
    if source is not None:
        report = import_dataset_features(dataset, source, cnn.backbone, fps)
    else:
        report = extract_dataset_features(
            dataset, CnnBackbone(cnn), fps, decoder=decoder, workers=workers, limit=limit, skip_bad=skip_bad
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


def train(data: Path, out: Path, config: TrainConfig, *, features: str | None = None, resume: bool = False) -> None:
    """Trains a model on a data set's features.

    Args:
        data: folder of the data set.
        out: folder of the run, such as runs/lstm.
        config: how to build and train it.
        features: which features, by the start of their folder's name; needed if there are several.
        resume: go on with the run that is there.
    """
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore
    from vidseq.training import fit

    dataset = Dataset.load(data)
    print(fit(dataset, FeatureStore.open_in(data, features), config, out, resume=resume))


def evaluate(
    data: Path,
    model: list[Path],
    *,
    split: str = "test",
    contexts: str = "full",
    controls: list[str] | None = None,
    out: Path | None = None,
    features: str | None = None,
    device: str = "auto",
    limit: int | None = None,
) -> None:
    """Scores models on a data set: a table by family, one row a query on disk, and a figure over contexts.

    Args:
        data: folder of the data set.
        model: a run's or model's folder; may be repeated.
        split: which videos.
        contexts: how much of the past to show, such as 1f,1s,2s,...,full.
        controls: blind, last_frame, shuffled, swapped_past, evidence_only, majority, repeat_last_label.
        out: folder for rows.parquet, tables and figures.
        features: which features, by the start of their folder's name; needed if there are several.
        device: where to compute.
        limit: only the first so many queries.
    """
    from vidseq.evaluation.verb import evaluate_models

    print(evaluate_models(data, model, split=split, contexts=contexts, controls=controls or [], out=out,
                          features=features, device=device, limit=limit))  # fmt: skip


def context(
    *,
    data: Path,
    model: list[Path],
    out: Path,
    contexts: str = "1f,1s,2s,...,full",
    controls: str = "all",
    vary: str = "given",
    seeds: str = "",
    split: str = "test",
    features: str | None = None,
    device: str = "auto",
    workers: int = 1,
    limit: int | None = None,
    frame_labels_every: float | None = None,
    overwrite: bool = False,
) -> None:
    """Measures how much of the past models use, and how much a data set needs; run again, it goes on.

    Args:
        data: folder of the data set.
        model: a run's folder; may be repeated. Runs of one head are one line, whatever their seeds.
        out: folder for rows.parquet and tables; a new one, or that of the same sweep.
        contexts: how much of the past to show, such as 1f,1s,2s,...,full.
        controls: all, or some, such as blind,last_frame,shuffled,swapped_past:30s,ngram:2; none for no control.
        vary: what the lengths mean, some of given (truncated where a run never saw short contexts), density,
            extrapolated, retrained (trains a model a length).
        seeds: of retrained models, such as 0,1,2; the runs' own if left out.
        split: which videos.
        features: which features, by the start of their folder's name; needed if there are several.
        device: where to compute.
        workers: processes.
        limit: only the first so many queries.
        frame_labels_every: ask for frame labels, one in every so many seconds, instead of queries.
        overwrite: begin anew where another sweep's files are.
    """
    from vidseq.evaluation.context_verb import measure_context
    from vidseq.evaluation.sweep import Sweep

    sweep = Sweep(data=data, models=tuple(model), split=split, contexts=contexts, controls=_words(controls),
                  vary=_words(vary), seeds=_whole_numbers("seeds", seeds), features=features, limit=limit,
                  device=device, frame_labels_every=frame_labels_every)  # fmt: skip
    print(measure_context(sweep, out, workers=workers, overwrite=overwrite))


@sets_itself("head", "head_options", "seed")
def compare(
    data: Path,
    out: Path,
    config: TrainConfig,
    *,
    heads: str,
    match: Literal["params", "flops", "state"] = "params",
    count: Literal["head", "model"] = "head",
    budget: float | None = None,
    seeds: str = "0,1,2",
    options: dict[str, dict[str, Any]] | None = None,
    split: str = "test",
    contexts: str = "1f,1s,2s,...,full",
    controls: list[str] | None = None,
    features: str | None = None,
    workers: int = 2,
) -> int:
    """Trains and evaluates heads at an equal budget, widths solved: one table, one figure, one row a query.

    Args:
        data: folder of the data set, with features.
        out: folder for the runs and the report; the same command goes on where it was stopped.
        config: how all heads are trained; --dim is the width of the first head where no budget is given.
        heads: names, such as conv,lstm,memory; all is every head.
        match: what is equal; parameters, FLOPs a frame, or bytes of state.
        count: whether the head alone counts or, for parameters, the whole model.
        budget: how much each head has; as much as the first one if left out.
        seeds: of training, such as 0,1,2.
        options: of some heads, by name, such as {window: {window: 64}}.
        split: which videos to ask about.
        contexts: how much of the past to show, such as 1f,1s,2s,...,full.
        controls: blind, last_frame, shuffled and majority if left out.
        features: which features, by the start of their folder's name; needed if there are several.
        workers: runs at the same time, one thread each.
    """
    from vidseq.comparison.compare import CONTROLS, compare_heads, parse_seeds

    result = compare_heads(data, out, heads, match=match, count=count, budget=budget, seeds=parse_seeds(seeds),
                           training=config, options=options, split=split, contexts=contexts,
                           controls=controls or CONTROLS, features=features, workers=workers)  # fmt: skip
    print(result.text, end="")
    for name, error in result.failed.items():
        print(f"vidseq: {name}: failed: {error}", file=sys.stderr)
    return 1 if result.failed else 0


def context_explain(
    data: Path,
    model: Path,
    *,
    out: Path,
    video: str | None = None,
    time: float | None = None,
    question: str | None = None,
    deletion: Literal["remove", "mean"] = "remove",
    split: str = "test",
    features: str | None = None,
    device: str = "auto",
    limit: int | None = None,
) -> None:
    """Finds which past frames a prediction rests on, by deleting frames and asking again.

    Args:
        data: folder of the data set.
        model: a run's or model's folder.
        out: folder for the strip and the numbers, or for the tables.
        video: which video; without one, all queries with evidence of a split, as a table by family.
        time: when the model is asked, in seconds.
        question: what is asked, where the data set asks several things then or something else.
        deletion: remove takes frames out, mean replaces them by the training videos' mean frame.
        split: which videos, where none is named.
        features: which features, by the start of their folder's name; needed if there are several.
        device: where to compute.
        limit: only so many queries, where no video is named.
    """
    from vidseq.evaluation.important_past.verb import explain_prediction, explain_predictions

    if (video is None) != (time is None):
        raise UserError("Explaining expects --video and --time together, or neither for a whole split, got one.")
    if video is None or time is None:
        print(explain_predictions(data, model, out, split=split, limit=limit, deletion=deletion, features=features,
                                  device=device))  # fmt: skip
    else:
        print(explain_prediction(data, model, video, time, out, question=question, deletion=deletion,
                                 features=features, device=device))  # fmt: skip


def context_report(
    rows: Path,
    out: Path,
    *,
    title: str = "",
    command: str = "",
    line: Literal["head", "run"] = "head",
    overwrite: bool = False,
) -> None:
    """Writes the report of rows that were measured before: one page, figures, tables. Needs no model.

    Args:
        rows: rows.parquet, as evaluation writes it.
        out: folder of the report.
        title: of the page; made from the data set's name if left out.
        command: what made the rows, told below every figure.
        line: what the lines of figures are, heads with all their seeds or single runs.
        overwrite: replace a report that is there.
    """
    from vidseq.evaluation.report.write import write_report
    from vidseq.evaluation.rows import read_rows

    print(write_report(out, read_rows(rows), title=title, command=command, line=line, overwrite=overwrite))


def context_audit(
    data: Path,
    *,
    out: Path,
    split: str = "test",
    short: float = 4.0,
    anticipation: float = 1.0,
    epochs: int = 15,
    features: str | None = None,
) -> None:
    """Says by family whether a data set needs long context, and where a shortcut answers it, by small probes.

    Args:
        data: folder of the data set, with features.
        out: folder for audit.md, audit.html, audit.csv, the figure and rows.parquet.
        split: which videos to ask about; probes learn from train.
        short: how much of the past the short probes see, in seconds.
        anticipation: how long before a segment its action is asked, in seconds, where the data set asks nothing.
        epochs: of the two probes that see the past in order; 0 leaves them out, for seconds instead of minutes.
        features: which features, by the start of their folder's name; needed if there are several.
    """
    import dataclasses

    from vidseq.audit.audit import ORDERED_TRAINING, audit_dataset
    from vidseq.audit.report import summary

    training = dataclasses.replace(ORDERED_TRAINING, epochs=epochs) if epochs else None
    audit = audit_dataset(data, out, split=split, short_seconds=short, anticipation_seconds=anticipation,
                          training=training, features=features)  # fmt: skip
    print((out / "audit.md").read_text(encoding="utf-8"), end="")
    print(f"\n{summary(audit.alarms, audit.verdicts)}")


def predict(
    source: str,
    model: Path,
    *,
    question: list[str] | None = None,
    at: list[float] | None = None,
    next_question: list[str] | None = None,
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
        every: seconds from one next action to the following one.
        out: .jsonl, .csv or .srt; one JSON object a line on standard output if left out.
        save_video: writes the video with what is predicted drawn on it; a folder if there are several sources.
        stream: print each row as soon as it is known.
        context: show the model only so many seconds of the past.
        weights: a local file with the backbone's weights, if they are not the pretrained ones.
        device: where to compute.
        top: how many answers to rank.
        limit: only the first so many seconds of each source.
        skip_bad: go on without damaged frames.
    """
    from vidseq.predict.plan import Plan
    from vidseq.predict.run import predict_sources

    plan = Plan(questions=tuple(question or ()), at=tuple(at or ()), next_questions=tuple(next_question or ()),
                every=every, context_seconds=context, top=top, limit_seconds=limit)  # fmt: skip
    failed = predict_sources(source, model, plan, out=out, save_video=save_video, live=stream, weights=weights,
                             device=device, skip_bad=skip_bad)  # fmt: skip
    return 1 if failed else 0


def info(path: Path | None = None) -> None:
    """Tells what a video, data set, model or run is; without a path, what vidseq has and runs on.

    Args:
        path: a video file, or the folder of a data set, model or run.
    """
    from vidseq.info import describe

    print(describe(path))


def converters() -> dict[str, Callable[..., int]]:
    """A verb for each foreign layout, with the options of its importer."""
    from vidseq.data.importers import IMPORTERS

    return {layout: _printing(convert) for layout, convert in IMPORTERS.items()}


def _words(text: str) -> tuple[str, ...]:
    """A list with commas; none for "none"."""
    return tuple(word.strip() for word in text.split(",") if word.strip() not in ("", "none"))


def _whole_numbers(option: str, text: str) -> tuple[int, ...]:
    words = _words(text)
    if not all(word.isdecimal() for word in words):
        raise UserError(f"--{option} expects whole numbers such as 0,1,2, got '{text}'.")
    return tuple(int(word) for word in words)


def _printing(convert: Callable[..., "ConversionReport"]) -> Callable[..., int]:
    @functools.wraps(convert)
    def verb(**options: object) -> int:
        report = convert(**options)
        print(report.summary())
        return 1 if report.skipped else 0

    return verb
