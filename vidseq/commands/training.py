"""Commands that train models."""

import sys
from pathlib import Path
from typing import Any, Literal

from vidseq.commands.options import option_groups
from vidseq.data.words import comma_words
from vidseq.training.config import TrainConfig

MODEL = "dim causal tasks"
OPTIMISATION = "epochs batch_size lr dropout patience monitor"
CLIPS = "clips_per_video queries_per_clip drawn_questions full_context context_seconds context_frames max_clip_seconds"
HARDWARE = "device devices precision"
RARE = (
    "start frozen token_dim place_dim standing_questions glances look_dropout context_warmup max_steps warmup "
    "weight_decay gradient_clip feature_dropout feature_noise feature_drift drift_seconds level_videos "
    "frames_per_step word_dropout strategy logger"
)


@option_groups(
    {"Model": f"head head_options {MODEL}", "Optimisation": OPTIMISATION, "Clips": CLIPS, "Hardware": HARDWARE},
    advanced=RARE,
)
def train(data: Path, out: Path, config: TrainConfig, *, features: str | None = None, resume: bool = False) -> None:
    """Trains a model on a data set's features.

    Args:
        data: folder of the data set.
        out: folder of the run, such as runs/lstm.
        config: the model and its training.
        features: start of the name of the features' folder, or observed_labels.
        resume: go on with the run that is there.
    """
    from vidseq.data.dataset import Dataset
    from vidseq.data.moments import OBSERVED_LABELS
    from vidseq.forecasting.label_moments import moments_to_learn
    from vidseq.inference.model_features import open_features
    from vidseq.training import fit

    def on_standard_error(line: str) -> None:
        print(line, file=sys.stderr)

    dataset = Dataset.load(data)
    if features == OBSERVED_LABELS:
        dataset, store = moments_to_learn(dataset, config)
    else:
        store = open_features(data, config.starts[:1], features)
    print(fit(dataset, store, config, out, resume=resume, report=on_standard_error))


@option_groups(
    {"Model": MODEL, "Optimisation": OPTIMISATION},
    advanced=f"{CLIPS} {HARDWARE} {RARE}",
    fixed="head head_options seed",
)
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
    workers: int | None = None,
) -> int:
    """Trains and evaluates heads at an equal budget: a table, a figure, a row a query.

    Args:
        data: folder of the data set, with features.
        out: folder for runs and report; run again, it goes on.
        config: the training of all heads; --dim is the width of the first head where no budget is given.
        heads: names, such as conv,lstm,memory; all: every head.
        match: what is equal: parameters, FLOPs a frame, or bytes of state.
        count: count the parameters of the head alone, or of the whole model.
        budget: size of each head; that of the first one if left out.
        seeds: seeds of training, such as 0,1,2.
        options: options of some heads, such as {window: {window: 64}}.
        split: the videos to evaluate on.
        contexts: lengths of the past to show, such as 1f,1s,2s,...,full.
        controls: baselines beside the heads; blind,last_frame,shuffled,majority if left out.
        features: start of the name of the features' folder, if there are several; with --start, those of its model.
        workers: runs at the same time, one thread each; one a CPU if left out.
    """
    from vidseq.comparison.compare import CONTROLS, compare_heads, parse_seeds

    result = compare_heads(data, out, heads, match=match, count=count, budget=budget, seeds=parse_seeds(seeds),
                           training=config, options=options, split=split, contexts=contexts, features=features,
                           controls=comma_words(*controls or CONTROLS), workers=workers)  # fmt: skip
    print(result.text, end="")
    for name, error in result.failed.items():
        print(f"vidseq: {name}: failed: {error}", file=sys.stderr)
    return 1 if result.failed else 0
