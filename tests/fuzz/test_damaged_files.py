"""Damaged and hostile files, for every reader: a result or an error in one line; no traceback, no hang, no growth.

A few inputs each always; as many as VIDSEQ_FUZZ says, or 100,000, in `make test-all`. VIDSEQ_FUZZ_SEED begins at
another input.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from fuzz.mutations import Target, watch
from layouts import LAYOUTS, Layout, write_mstcn
from planted_rows import planted_rows

from vidseq.checkpoint import load_model, save_model
from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.evaluation.rows import read_rows
from vidseq.exporters import export_dataset
from vidseq.features.external import external_fingerprint, import_features
from vidseq.features.store import FeatureStore
from vidseq.importers import IMPORTERS
from vidseq.inference.predictions import Prediction
from vidseq.inference.predictions import write_predictions as write_predictions_file
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.retrieval import build_database
from vidseq.retrieval.database import Database

#: Inputs of each reader in every run of the tests, and in `make test-all`.
FEW, MANY = 20, int(os.environ.get("VIDSEQ_FUZZ", "100000"))
SEED = int(os.environ.get("VIDSEQ_FUZZ_SEED", "0"))
#: How much a process may grow over many inputs.
MAX_KILOBYTES = 300_000
WORDS = ("cut", "切菜", 'say "no", then sit')


def write_data(folder: Path) -> Dataset:
    """A data set with every kind of row."""
    videos = [Video(video=f"v{number}", split=split, duration=9.5, fps=25, group="g", path=f"videos/{number}.mp4")
              for number, split in enumerate(("train", "train", "test"))]  # fmt: skip
    videos = [video if video.split == "train" else Video(video="v2", split="test", duration=9.0) for video in videos]
    segments = [Segment(video=f"v{k % 3}", start=k, end=k + 1.5, label=WORDS[k % 3], track="t") for k in range(6)]
    queries = [
        Query(video="v0", time=4.0, kind="question", question="Which?", answer="red", evidence=((1.0, 2.0),)),
        Query(
            video="v1", time=5.25, kind="question", question="谁?", answer="a, b", choices=("a, b", "c"), family="who"
        ),
        Query(video="v2", time=3.0, kind="next_action", answer=WORDS[0], certificate_seconds=1.5),
    ]
    info = DatasetInfo(name="d", fps=4, tasks={"next_action": {"anticipation_seconds": 1.0}}, background=WORDS[0])  # type: ignore[arg-type]
    return write_dataset(folder, info, videos, segments, queries)


def write_store(folder: Path) -> FeatureStore:
    store = FeatureStore.create_in(folder, external_fingerprint("x", 4))
    for number in range(3):
        store.write(f"v{number}", np.arange(120.0).reshape(40, 3) + number, np.arange(40) / 4)
    return store


def read_store(folder: Path) -> None:
    store = FeatureStore.open_in(folder)
    for video in store.videos():
        store.read(video)


def check(folder: Path) -> None:
    for problem in check_dataset(folder, videos=False, features=False):
        assert problem.strip()


def write_model(folder: Path) -> None:
    config = ModelConfig(
        feature_dim=4, dim=8, labels={"action": WORDS, "answer": ("red", "blue")},
        tasks={"frame_labels": {}, "next_action": {}, "question": {}}, vocabulary=("is", "it"), fps="4",
    )  # fmt: skip
    save_model(VideoReasoner(config), folder / "model")


def write_rows_file(folder: Path) -> None:
    rows = planted_rows(np.random.default_rng(0), num_groups=2, per_group=1)
    rows.to_parquet(folder / "rows.parquet", index=False)


def write_features(folder: Path) -> None:
    write_data(folder)
    (folder / "given").mkdir()
    np.save(folder / "given" / "v0.npy", np.zeros((38, 4), np.float32))
    np.savez(folder / "given" / "v1.npz", features=np.zeros((38, 4), np.float32), pts_seconds=np.arange(38) / 4)


def import_given(folder: Path) -> None:
    store = FeatureStore.create(folder.parent / "out", external_fingerprint("x", 4))
    report = import_features(folder / "given", store, durations={"v0": 9.5, "v1": 9.5})
    assert all(report.failed.values())


def write_database(folder: Path) -> None:
    build_database(write_data(folder), write_store(folder), folder / "database", split="train", chunk=8)


def write_predictions(folder: Path) -> None:
    write_data(folder)
    rows = [
        Prediction(video=f"v{k % 3}", time=float(k), end=k + 1.0, kind="frame_labels", question=None,
                   answer=WORDS[k % 3], probability=0.5, ranking=((WORDS[0], 0.5), (WORDS[1], 0.25)))
        for k in range(6)
    ]  # fmt: skip
    write_predictions_file(rows, folder / "rows.jsonl")


def export_predictions(folder: Path) -> None:
    export_dataset(folder, "boris", folder.parent / "out", predictions=folder / "rows.jsonl")


def write_mstcn_source(folder: Path) -> None:
    labels = {f"P0{k}": ["SIL"] * 5 + ["cut"] * 10 + ["stir"] * 5 for k in range(3)}
    write_mstcn(folder, ["SIL", "cut", "stir"], labels, {"train.split1": ["P00", "P01"], "test.split1": ["P02"]})
    (folder / "features").mkdir()
    for video in labels:
        np.save(folder / "features" / f"{video}.npy", np.zeros((4, 20), np.float32))


def write_epic(folder: Path) -> None:
    header = (
        "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
        "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n"
    )
    for name, person in (("train", "P01"), ("validation", "P02")):
        rows = "".join(
            f"{person}_01_{k},{person},{person}_01,00:00:0{k}.10,00:00:0{k}.14,00:00:0{k + 1}.37,{60 * k},"
            f"{60 * k + 60},open door,open,{k},door,{k},['door'],[{k}]\n"
            for k in range(4)
        )
        (folder / f"EPIC_100_{name}.csv").write_text(header + rows)
    for kind, words in (("verb", ("open", "close", "take", "put")), ("noun", ("door", "cup", "pan", "lid"))):
        rows = "".join(f"{k},{word},\"['{word}']\",other\n" for k, word in enumerate(words))
        (folder / f"EPIC_100_{kind}_classes.csv").write_text("id,key,instances,category\n" + rows)


def importer_target(layout: Layout) -> Target:
    convert = IMPORTERS[layout.name]

    def read(folder: Path) -> None:
        convert(folder / layout.source, folder.parent / "out", **layout.arguments(folder))

    return Target(f"import {layout.name}", layout.write, read, share=0.02 if layout.name == "rulstm" else 1.0)


TARGETS = [
    *map(importer_target, LAYOUTS),
    importer_target(Layout("mstcn", write_mstcn_source, options={"fps": 2})),
    importer_target(Layout("epic", write_epic)),
    Target("data set", write_data, Dataset.load),
    Target("data check", write_data, check),
    Target("feature store", write_store, read_store),
    Target("features to import", write_features, import_given),
    Target("rows", write_rows_file, lambda folder: read_rows(folder / "rows.parquet")),
    Target("predictions", write_predictions, export_predictions),
    Target("model", write_model, lambda folder: load_model(folder / "model", "cpu")),
    Target("database", write_database, lambda folder: Database.open(folder / "database")),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "_"))
def test_a_few_damaged_inputs(target: Target) -> None:
    watch(target, max(2, round(target.share * FEW)), SEED)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "_"))
def test_many_damaged_inputs(target: Target) -> None:
    found = watch(target, round(target.share * MANY), SEED)
    assert found["grown_kilobytes"] < MAX_KILOBYTES
    assert found["read"] and found["refused"]
