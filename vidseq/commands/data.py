"""Commands that make, check and show data sets."""

import shlex
from pathlib import Path

from vidseq.classroom.config import ClassroomConfig
from vidseq.commands.options import option_groups


@option_groups(
    {
        "Videos": "train_videos val_videos test_videos seconds seconds_spread fps width height observations "
        "feature_fps",
        "World": "min_children max_children num_colors num_names num_toys num_gifts",
        "Questions": "families questions_per_video answers pair_fraction",
    },
    advanced="min_action_seconds max_action_seconds noise event_density symbolic_noise",
)
def classroom(out: Path, config: ClassroomConfig, *, workers: int = 2) -> None:
    """Generates a classroom: videos with questions whose answers and evidence are known.

    Args:
        out: folder of the new data set.
        config: what to generate.
        workers: processes that draw videos.
    """
    from vidseq.classroom.generator import generate

    following = "train" if config.observations == "symbolic" else "features"
    print(f"{generate(out, config, workers=workers)}: done. Next: vidseq {following} --data {shlex.quote(str(out))}")


def init(
    source: Path,
    *,
    out: Path | None = None,
    name: str | None = None,
    group: str | None = None,
    split_file: Path | None = None,
    classes: bool = True,
    segments: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    skip_bad: bool = False,
) -> int:
    """Turns a folder of videos, loose or a folder a class, into a data set.

    Args:
        source: folder of the videos, which stay as they are.
        out: folder of the data set; the source if left out.
        name: name of the data set; that of the source folder if left out.
        group: regular expression that finds a person or camera in a video's name; groups never share a split.
        split_file: CSV with the columns video and split; splits are drawn at random if left out.
        classes: take the names of folders as classes, which a question at the end of each video asks for.
        segments: make each class a segment of the whole video, too, for labels of frames.
        seed: decides which videos are in which split.
        overwrite: replace a data set that is there.
        skip_bad: leave out files that cannot be read, and list them.
    """
    from vidseq.importers.init import init_dataset

    report = init_dataset(
        source,
        out,
        name=name,
        group=group,
        split_file=split_file,
        classes=classes,
        segments=segments,
        seed=seed,
        overwrite=overwrite,
        skip_bad=skip_bad,
    )
    print(f"{report.summary()}\nNext: vidseq features --data {shlex.quote(str(report.folder))}")
    return 1 if report.skipped else 0


def check(data: Path) -> int:
    """Reads a whole data set and prints each problem with its file, row and fix.

    Args:
        data: folder of the data set.
    """
    from vidseq.data.check import check_dataset

    problems = check_dataset(data)
    print("\n".join([*problems, f"{data}: {len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}."]))
    return 1 if problems else 0


def browse(data: Path, *, out: Path | None = None, limit: int = 40) -> None:
    """Writes one HTML page with thumbnails, timelines and queries.

    Args:
        data: folder of the data set.
        out: the page; browse.html in the folder of the data set if left out.
        limit: most videos, shared between the splits.
    """
    from vidseq.data.browse import write_browser

    print(write_browser(data, out or data / "browse.html", limit=limit))


def export(
    data: Path,
    *,
    layout: str,
    out: Path,
    predictions: Path | None = None,
    splits: tuple[str, ...] = (),
    overwrite: bool = False,
) -> None:
    """Writes segments as the files of an annotation tool, which `vidseq data convert` reads again.

    Args:
        data: folder of the data set.
        layout: the tool; `vidseq info` lists those that have files to write.
        out: folder of the files.
        predictions: rows of `vidseq predict` (.jsonl), to write in place of the segments.
        splits: splits to write; all if left out.
        overwrite: write into a folder that is there.
    """
    from vidseq.exporters.export import export_dataset

    report = export_dataset(data, layout, out, predictions=predictions, splits=splits, overwrite=overwrite)
    print(report.summary())


def ask(
    data: Path,
    *,
    out: Path,
    families: tuple[str, ...] = (),
    per_video: int = 40,
    splits: tuple[str, ...] = (),
    leave_out: tuple[str, ...] = (),
    seed: int = 0,
) -> None:
    """Turns segments into questions about the past, the present and what comes next, with evidence.

    Args:
        data: folder of a data set with segments.
        out: folder of the new data set, which links to the features of the old one.
        families: families of questions, such as done,count,order; all that the segments allow if left out.
        per_video: most questions of a video.
        splits: splits to ask in; all if left out.
        leave_out: labels that are no actions, besides the background.
        seed: decides what is asked.
    """
    from vidseq.data.questions.ask import ask_questions, question_counts

    made = ask_questions(
        data, out, families=families, per_video=per_video, splits=splits, leave_out=leave_out, seed=seed
    )
    print(question_counts(made, families))
    following = f"vidseq context audit {shlex.quote(str(made.folder))} --out audit"
    print(f"{made.folder}: {len(made.queries)} questions. Next: {following}")


def steps(data: Path, *, out: Path, observed: list[Path] | None = None) -> None:
    """Makes a data set whose frames are actions: what comes next, from the true labels of the past, without pixels.

    Args:
        data: folder of a data set with segments.
        out: folder of the new data set, with its features.
        observed: data set with the same actions under labels that a model sees; may be repeated, such as verbs and
            nouns; the data set itself if left out.
    """
    from vidseq.importers.action_steps import make_action_steps

    print(make_action_steps(data, out, observed or ()))
