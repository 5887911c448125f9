"""Writes the card of a model from its run: data, command, features, licence, and scores of its evaluation."""

import dataclasses
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from vidseq import __version__
from vidseq.checkpoint import find_checkpoint, read_config
from vidseq.data.dataset import Dataset
from vidseq.data.words import count
from vidseq.errors import DataError
from vidseq.evaluation.run_description import run_root, training_of
from vidseq.hub.remote import client
from vidseq.hub.scores import Score, read_scores
from vidseq.model import ModelConfig
from vidseq.reporting.tables import to_markdown
from vidseq.training.config import TrainConfig

#: The task by which the hub lists such models.
PIPELINE = "video-classification"


@dataclasses.dataclass(frozen=True)
class Card:
    """What a card says besides what the run itself says."""

    evaluation: Path | None = None
    """Folder that `vidseq evaluate --out` wrote; None: the card has no scores."""
    data: Path | None = None
    """Folder of the data set, for its size, source and licence."""
    licence: str | None = None
    """Licence of the weights, as the hub calls it, such as "apache-2.0"."""


#: The run alone.
PLAIN = Card()


def model_card(run: Path | str, name: str, card: Card = PLAIN) -> str:
    """Writes the card of a model, with the header that the hub reads.

    Args:
        run: folder of a run or model.
        name: what the card calls the model, such as "lstm".
        card: what the run does not know.

    Returns:
        Markdown behind a header in YAML.

    Raises:
        ModelError: there is no model.
        UserError: the evaluation holds nothing of this run, or huggingface_hub is missing.
    """
    folder = find_checkpoint(run)
    config, root = read_config(folder), run_root(folder)
    scores = [] if card.evaluation is None else read_scores(card.evaluation, root.name)
    parts = [
        _header(name, config, scores, card.licence),
        f"# {name}\n\nA model of vidseq {__version__}: it reads the features of video frames one after another and "
        f"{_what_it_does(config)}.",
        "\n".join(f"* {title}: {text}" for title, text in _facts(root, config, card)),
        *_score_text(scores),
        "## Use",
        f"`vidseq hub pull OWNER/{name}`, then `vidseq info {name}` and `vidseq predict clip.mp4 --model {name}`.",
    ]
    return "\n\n".join(parts) + "\n"


def train_options(training: Mapping[str, Any]) -> str:
    """Writes the options that train a model again; those with default values and loggers are left out.

    Args:
        training: the options of a run, as its config.yaml has them.
    """
    words: list[str] = []
    usual = dataclasses.asdict(TrainConfig())
    for option, value in training.items():
        if option in usual and option != "logger" and value != usual[option]:
            words += [f"--{option}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)]
    return shlex.join(words)


def _header(name: str, config: ModelConfig, scores: list[Score], licence: str | None) -> str:
    hub = client()
    results = [
        hub.EvalResult(
            task_type=PIPELINE,
            dataset_type=score.dataset,
            dataset_name=score.dataset,
            dataset_split=score.split,
            metric_type=score.metric,
            metric_name=f"{score.metric}, {score.what}",
            metric_value=score.value,
        )
        for score in scores
        if not score.control
    ]
    data = hub.ModelCardData(
        library_name="vidseq",
        license=licence,
        pipeline_tag=PIPELINE,
        tags=["vidseq", "video", "temporal-reasoning", config.head],
        **({"model_name": name, "eval_results": results} if results else {}),
    )
    return f"---\n{data.to_yaml()}\n---"


def _what_it_does(config: ModelConfig) -> str:
    labels = ", ".join(f"{len(names)} {kind}" for kind, names in config.labels.items())
    return f"is trained for {', '.join(f'`{task}`' for task in config.tasks)} ({labels or 'no'} labels)"


def _facts(root: Path, config: ModelConfig, card: Card) -> Iterator[tuple[str, str]]:
    written, training = _run_file(root), training_of(root)
    options = f" {json.dumps(dict(config.head_options))}" if config.head_options else ""
    yield (
        "Head",
        f"`{config.head}`{options}, width {config.dim}, {'causal' if config.causal else 'sees the future, too'}",
    )
    yield "Data", _data_text(written, card.data)
    if training:
        yield "Command", f"`vidseq train --data DATA --out RUN {train_options(training)}`"
    yield "Licence of the weights", card.licence or "not stated"
    fingerprint = config.fingerprint
    yield (
        "Features",
        "not known" if fingerprint is None else f"`{fingerprint.name}`, made as `{fingerprint.to_json()}`",
    )
    yield "Frames a second", config.fps or "not known"


def _data_text(written: Mapping[str, Any], data: Path | None) -> str:
    if data is None:
        name, observations = written.get("dataset", "not known"), written.get("observations", "video")
        return f"{name}" + ("" if observations == "video" else f" ({observations})")
    dataset = Dataset.load(data)
    splits = ", ".join(f"{split} {len(dataset.split(split))}" for split in dataset.info.splits)
    info = dataset.info
    return (
        f"{info.name} ({info.observations}), {count(len(dataset.videos), 'video')} ({splits}); source: {info.source}; "
        f"licence: {info.licence}"
    )


def _run_file(root: Path) -> Mapping[str, Any]:
    """What a run's config.yaml says; {} for a model that belongs to no run."""
    file = root / "config.yaml"
    if not file.is_file():
        return {}
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(written, dict):
        raise DataError(f"A run expects its options as YAML in {file}, got others.")
    return written


def _score_text(scores: list[Score]) -> Iterator[str]:
    for (dataset, split), part in _grouped(scores).items():
        table = pd.DataFrame(
            [{"what": f"{score.what}{score.control and f', {score.control}'}", "measure": score.metric,
              "percent": score.text, "groups": score.num_groups} for score in part]
        )  # fmt: skip
        intro = f"{dataset}, {split}; percent with 95% intervals over groups:"
        yield f"## Scores\n\n{intro}\n\n{to_markdown(table).rstrip()}"


def _grouped(scores: list[Score]) -> dict[tuple[str, str], list[Score]]:
    groups: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.dataset, score.split), []).append(score)
    return groups
