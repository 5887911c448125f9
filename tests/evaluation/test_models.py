"""`vidseq evaluate` on trained models of the toy world."""

import pandas as pd
import pytest

from vidseq.checkpoint import save_model
from vidseq.errors import FingerprintError, UserError
from vidseq.evaluation.metrics import expected_calibration_error
from vidseq.evaluation.models import evaluate_models
from vidseq.evaluation.rows import read_rows
from vidseq.training import TrainConfig, fit

pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")


@pytest.fixture(scope="module")
def run(toy_world, tmp_path_factory):
    config = TrainConfig(
        head="lstm", dim=16, epochs=2, seed=5, tasks={"question": {}, "next_action": {}, "frame_labels": {}}
    )
    return fit(*toy_world, config, tmp_path_factory.mktemp("runs") / "toy-lstm")


def test_everything_is_written(toy_world, run, tmp_path):
    text = evaluate_models(
        toy_world[0].folder, [run], contexts="1f,1s,full", controls=["blind", "majority"], out=tmp_path
    )
    rows = read_rows(tmp_path / "rows.parquet")
    assert set(rows["kind"]) == {"question", "next_action"}
    assert rows[["run", "head", "seed"]].drop_duplicates().to_numpy().tolist() == [["toy-lstm", "lstm", 5]]
    labels = pd.read_csv(tmp_path / "frame_labels.csv")
    assert labels.groupby("decoding")["video"].nunique().unique().tolist() == [12]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("accuracy.csv", "accuracy.md", "calibration.csv", "calibration.png", "calibration.svg"),
        *("context.png", "context.svg", "frame_labels.csv"),
        *("frame_labels_calibration.png", "frame_labels_calibration.svg"),
        *("frame_labels_classes.csv", "frame_labels_detection.csv", "frame_labels_intervals.csv"),
        "frame_labels_segment_classes.csv",
        *("frame_labels_segment_detection.csv", "frame_labels_segments.parquet", "rows.parquet"),
        "timeline.html",
    ]
    calibration = pd.read_csv(tmp_path / "calibration.csv").set_index("family")
    assert list(calibration.index) == ["question", "next_action", "frame_labels"]
    own = rows[(rows["control"] == "") & (rows["context"] == "full") & (rows["kind"] == "question")]
    assert calibration.loc["question", "ece"] == pytest.approx(expected_calibration_error(own), abs=1e-12)
    frames = labels[labels["decoding"] == "frame by frame"]
    assert calibration.loc["frame_labels", "answers"] == frames["num_frames"].sum()
    right = (frames["accuracy"] * frames["num_frames"]).sum() / frames["num_frames"].sum()
    assert calibration.loc["frame_labels", "accuracy"] == pytest.approx(right)
    detection = pd.read_csv(tmp_path / "frame_labels_detection.csv")
    classes = pd.read_csv(tmp_path / "frame_labels_classes.csv")
    assert detection[["run", "head", "seed", "split"]].drop_duplicates().to_numpy().tolist() == [
        ["toy-lstm", "lstm", 5, "test"]
    ]
    assert detection["num_frames"][0] == classes["num_frames"].sum() == frames["num_frames"].sum()
    assert detection["mAP"].iloc[-1] == pytest.approx(classes["average_precision"].mean())
    assert "mAP of frames (%)" in text and "mAP@0.5 of segments (%)" in text
    segments = pd.read_csv(tmp_path / "frame_labels_segment_detection.csv")
    assert segments["decoding"].tolist() == labels["decoding"].unique().tolist()
    found = pd.read_parquet(tmp_path / "frame_labels_segments.parquet")
    assert found.groupby("decoding")["is_true"].sum().tolist() == segments["num_true"].tolist()
    assert "calibration error (%)" in text
    assert "| question, blind " in text
    assert "Only 12 groups: intervals are rough." in text
    assert "| toy-lstm | lstm | frame by frame " in text


def test_the_model_s_folder_is_known_by_its_run(toy_world, run):
    text = evaluate_models(toy_world[0].folder, [run / "checkpoints" / "best"], limit=4)
    assert "| toy-lstm | lstm |" in text


def test_a_disk_that_is_full_at_the_end_costs_no_table(toy_world, run, tmp_path, monkeypatch, capsys):
    def fill(*args):
        raise OSError(28, "No space left on device", str(tmp_path / "out"))

    monkeypatch.setattr("vidseq.evaluation.models.timeline_page", fill)
    with pytest.raises(OSError, match="No space left"):
        evaluate_models(toy_world[0].folder, [run], limit=4, out=tmp_path / "out")
    assert capsys.readouterr().out.strip() == evaluate_models(toy_world[0].folder, [run], limit=4).strip()


def test_refusals(toy_world, toy_model, run, tmp_path):
    from dataclasses import replace

    toy_model.config = replace(toy_model.config, fingerprint=replace(toy_model.config.fingerprint, backbone="other"))
    save_model(toy_model, tmp_path / "other")
    with pytest.raises(FingerprintError, match="backbone"):
        evaluate_models(toy_world[0].folder, [tmp_path / "other"])
    with pytest.raises(UserError, match="models with a task that 'toy' has, got none"):
        evaluate_models(toy_world[0].folder, [])


def test_results_are_not_written_among_the_files_of_a_run(toy_world, run, tmp_path):
    before = (run / "calibration.csv").read_bytes()
    for folder in (run, run / "checkpoints" / "best"):
        with pytest.raises(UserError, match=r"--out expects a folder of its own, got .* holds a model\. Name one in"):
            evaluate_models(toy_world[0].folder, [run], out=folder)
    assert (run / "calibration.csv").read_bytes() == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="--out expects a folder, got the file"):
        evaluate_models(toy_world[0].folder, [run], out=tmp_path / "file")
