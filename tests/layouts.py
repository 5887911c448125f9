"""Tiny sources in the layouts that others publish, written to the letter, and how to convert each."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Layout:
    """A layout, how to write a tiny source, and the options that its conversion needs."""

    name: str
    write: Callable[[Path], None]
    """Writes the files into a folder."""
    source: str = ""
    """What is converted, in that folder."""
    options: dict[str, Any] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    """Options that are paths in that folder."""
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Videos, segments, queries, videos with features."""

    def arguments(self, folder: Path) -> dict[str, Any]:
        """The options, paths made whole."""
        return {**self.options, **{name: folder / path for name, path in self.paths.items()}}


def write_mstcn(
    folder: Path, classes: Sequence[str], labels: Mapping[str, Sequence[str]], bundles: Mapping[str, Sequence[str]]
) -> None:
    """Writes the label of each frame of videos, and the videos of each bundle, such as "train.split1"; no features."""
    for name in ("groundTruth", "splits"):
        (folder / name).mkdir()
    (folder / "mapping.txt").write_text("".join(f"{number} {label}\n" for number, label in enumerate(classes)))
    for video, frames in labels.items():
        (folder / "groundTruth" / f"{video}.txt").write_text("".join(f"{label}\n" for label in frames))
    for bundle, videos in bundles.items():
        (folder / "splits" / f"{bundle}.bundle").write_text("".join(f"{video}.txt\n" for video in videos))


def write_activitynet(folder: Path) -> None:
    database = {
        "-7dPJkx4zko": {
            "duration": 82.75,
            "subset": "training",
            "resolution": "320x240",
            "url": "https://www.youtube.com/watch?v=-7dPJkx4zko",
            "annotations": [
                {"segment": [6.195294851794072, 77.73085420904837], "label": "Paintball"},
                {"segment": [77.9, 82.754], "label": "Walking the dog"},
            ],
        },
        "sJn5tJ7Q7Zg": {
            "duration": 10.5,
            "subset": "validation",
            "annotations": [{"segment": [0.0, 5.0], "label": "Paintball"}],
        },
        "a_test-0001": {"duration": 12.0, "subset": "testing", "annotations": []},
    }
    document = {"version": "VERSION 1.3", "taxonomy": [{"nodeId": 0, "nodeName": "Root"}], "database": database}
    (folder / "activity_net.v1-3.min.json").write_text(json.dumps(document))


def write_kinetics(folder: Path) -> None:
    (folder / "train.csv").write_text(
        "label,youtube_id,time_start,time_end,split,is_cc\n"
        "testifying,---QUuC4vJs,84,94,train,0\n"
        '"air drumming",-3B32lodo2M,59,69,train,0\n'
        "testifying,--GkrdYZ9Tc,0,10,train,1\n"
    )
    (folder / "validate.csv").write_text(
        "label,youtube_id,time_start,time_end,split\nair drumming,--nQbRBEz2s,104,114,validate\n"
    )
    (folder / "test.csv").write_text("youtube_id,time_start,time_end,split\n_dbcJuKJQNs,40,50,test\n")


def write_charades(folder: Path) -> None:
    (folder / "Charades_v1_classes.txt").write_text(
        "c000 Holding some clothes\nc092 Closing a window\nc147 Standing on something\n"
    )
    header = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"
    (folder / "Charades_v1_train.csv").write_text(
        header + "46GP8,HR43,Kitchen,6,7,Yes,A person cooks.,food;stove,"
        '"A person, in a kitchen, cooks. Then sits.",c092 11.90 21.20;c147 0.00 12.60,24.83\n'
        "N11GT,0KZ7,Stairs,7,6,No,She walks.,,One.;Two.,,18.33\n"
    )
    (folder / "Charades_v1_test.csv").write_text(
        header + "YSKX3,TPT3,Bedroom,5,6,Yes,He holds clothes.,clothes,A man.,c000 0.00 9.30,9.0\n"
    )


def lta_action(clip: str, number: int, start: float, end: float, **labels: object) -> dict[str, object]:
    """A row of Ego4D's long-term anticipation; `labels` is empty in the test file."""
    return {
        "video_uid": f"video-of-{clip}",
        "clip_id": 7,
        "clip_uid": clip,
        "action_idx": number,
        "clip_parent_start_sec": 300.0,
        "clip_parent_end_sec": 600.021,
        "action_clip_start_sec": start,
        "action_clip_end_sec": end,
        "action_clip_start_frame": int(start * 30),
        "action_clip_end_frame": int(end * 30),
        **labels,
    }


def write_ego4d_lta(folder: Path) -> None:
    taxonomy = {"verbs": ["adjust_(regulate,_increase/reduce)", "take_(pick,_grab)"], "nouns": ["apple", "bag", "cup"]}
    (folder / "fho_lta_taxonomy.json").write_text(json.dumps(taxonomy))
    take_cup = {"verb": "take_(pick,_grab)", "verb_label": 1, "noun": "cup", "noun_label": 2}
    adjust = {"verb": "adjust_(regulate,_increase/reduce)", "verb_label": 0, "noun": "bag", "noun_label": 1}
    train = [
        lta_action("clip-a", 0, 3.5, 11.5, **take_cup),
        lta_action("clip-a", 1, 8.25, 16.25, **adjust),
        lta_action("clip-b", 0, 1.0, 9.0, **adjust),
    ]
    files = {
        "train": train,
        "val": [lta_action("clip-c", 0, 2.0, 10.0, **take_cup)],
        "test_unannotated": [lta_action("clip-d", 0, 2.0, 10.0), lta_action("clip-d", 1, 12.0, 20.0)],
    }
    for name, clips in files.items():
        document = {"version": "v1", "date": "220101", "description": "LTA", "split": name, "clips": clips}
        (folder / f"fho_lta_{name}.json").write_text(json.dumps(document))


def write_nextqa(folder: Path) -> None:
    header = "video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"
    (folder / "train.csv").write_text(
        header + "4010069381,369,640,480,how do the two man play the instrument,0,6,CH,roll the handle,tap their feet,"
        "strum the string,hit with sticks,pat with hand\n"
        '4010069381,369,640,480,"why, near the end, did the man turn",3,2,CW,tired,look at her,smile,follow her,fall\n'
    )
    (folder / "val.csv").write_text(
        header + "10001787725,1020,640,360,what happens after the girl sits,2,1,TN,cry,run,drink,sleep,wave\n"
    )
    grounding = {"10001787725": {"location": {"1": [[1.2, 5.8], [30.0, 36.5]]}, "duration": 34, "fps": 29.97}}
    (folder / "gsub_val.json").write_text(json.dumps(grounding))


def write_egoschema(folder: Path) -> None:
    questions = [
        {
            "q_uid": f"{number:08d}-81bd-4cd8-a574-0472ef3f6678",
            "google_drive_id": "1gPkl",
            "question": "What is the overarching behaviour of C and the man?",
            **{f"option {choice}": f"C does thing {choice} of {number}." for choice in range(5)},
        }
        for number in range(3)
    ]
    (folder / "questions.json").write_text(json.dumps(questions, indent=4))
    (folder / "subset_answers.json").write_text(json.dumps({questions[0]["q_uid"]: 3, questions[2]["q_uid"]: 0}))
    origins = {questions[0]["q_uid"]: {"video_uid": "2fa72a4f", "starting_sec": 240, "ending_sec": 420}}
    (folder / "uid_to_ego4d.json").write_text(json.dumps(origins))


PERFRAME_CLASSES = ["Background", "CliffDiving", "Diving", "Ambiguous"]
#: Frames of each class of each video; the second has two classes at once.
PERFRAME_CLASS_OF = {
    "video_validation_0000051": [[0], [1], [1], [0], [3], [0], [2]],
    "video_validation_0000052": [[1, 2], [1, 2], [2], [0]],
    "video_test_0000004": [[0], [0], [2], [2], [0]],
}


def perframe_target(video: str) -> np.ndarray:
    """(T, C), 1 where a frame is of a class."""
    target = np.zeros((len(PERFRAME_CLASS_OF[video]), len(PERFRAME_CLASSES)))
    for frame, classes in enumerate(PERFRAME_CLASS_OF[video]):
        target[frame, classes] = 1
    return target


def perframe_features(video: str, dim: int = 6) -> np.ndarray:
    """(T, D), of numbers that float16 holds exactly."""
    rng = np.random.default_rng(sum(map(ord, video)))
    return rng.integers(-8, 8, (len(PERFRAME_CLASS_OF[video]), dim)).astype(np.float32) / 4


def write_perframe(folder: Path) -> None:
    for name in ("target_perframe", "rgb_kinetics_resnet50", "flow_kinetics_bninception"):
        (folder / "THUMOS" / name).mkdir(parents=True, exist_ok=True)
    for video in PERFRAME_CLASS_OF:
        np.save(folder / "THUMOS/target_perframe" / f"{video}.npy", perframe_target(video))
        np.save(folder / "THUMOS/rgb_kinetics_resnet50" / f"{video}.npy", perframe_features(video))
        np.save(folder / "THUMOS/flow_kinetics_bninception" / f"{video}.npy", perframe_features(video, dim=3) + 1)
    about = {
        "data_root": "data/THUMOS",
        "class_names": PERFRAME_CLASSES,
        "num_classes": len(PERFRAME_CLASSES),
        "ignore_index": 3,
        "metrics": "AP",
        "fps": 4,
        "train_session_set": ["video_validation_0000051", "video_validation_0000052"],
        "test_session_set": ["video_test_0000004"],
    }
    (folder / "data_info.json").write_text(json.dumps({"TVSeries": {**about, "fps": 5}, "THUMOS": about}))


#: Frames of each video in LMDB, numbered from 1.
RULSTM_FRAMES = {"P01_01": 190, "P01_101": 40, "P01_11": 60}


def rulstm_features(video: str) -> np.ndarray:
    """float32 (T, D), of numbers that float16 holds exactly."""
    rng = np.random.default_rng(sum(map(ord, video)))
    return rng.integers(-8, 8, (RULSTM_FRAMES[video], 4)).astype(np.float32) / 4


def write_rulstm(folder: Path) -> None:
    import lmdb

    (folder / "training.csv").write_text("P01_01_0,P01_01,4,101,3,3,1\nP01_01_1,P01_01,131,185,6,114,0\n")
    (folder / "validation.csv").write_text("P01_11_0,P01_11,1,56,3,3,1\n")
    (folder / "actions.csv").write_text("id,verb,noun,action\n0,6,114,turn-on light\n1,3,3,open cupboard\n")
    with lmdb.open(str(folder / "rgb"), map_size=2**24) as environment, environment.begin(write=True) as transaction:
        for video in RULSTM_FRAMES:
            for number, vector in enumerate(rulstm_features(video), 1):
                transaction.put(f"{video}_frame_{number:010d}.jpg".encode(), vector.tobytes())
    (folder / "rgb" / "lock.mdb").unlink()


LAYOUTS = [
    Layout("activitynet", write_activitynet, "activity_net.v1-3.min.json", counts=(3, 3, 0, 0)),
    Layout("kinetics", write_kinetics, counts=(5, 4, 4, 0)),
    Layout("charades", write_charades, counts=(3, 3, 0, 0)),
    Layout("ego4d_lta", write_ego4d_lta, counts=(4, 4, 0, 0)),
    Layout("nextqa", write_nextqa, counts=(2, 0, 3, 0)),
    Layout("egoschema", write_egoschema, counts=(2, 0, 2, 0)),
    Layout(
        "perframe",
        write_perframe,
        "THUMOS",
        options={"features": "rgb_kinetics_resnet50"},
        paths={"info": "data_info.json"},
        counts=(3, 6, 0, 3),
    ),
    Layout("rulstm", write_rulstm, counts=(2, 3, 0, 2)),
]
