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


#: As ELAN saves it: a main tier, one for the hands with slots that it has not aligned, and a translation.
ELAN_FILE = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="kim" DATE="2024-03-05T10:11:12+01:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/Users/kim/Day%201/kitchen.MP4" MIME_TYPE="video/mp4"
            RELATIVE_MEDIA_URL="./kitchen.MP4"/>
        <PROPERTY NAME="URN">urn:nl-mpi-tools-elan-eaf:0d5d3c1e-7b1c-4a8e-9f0b-1f2e3d4c5b6a</PROPERTY>
        <PROPERTY NAME="lastUsedAnnotationId">7</PROPERTY>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="760"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="760"/>
        <TIME_SLOT TIME_SLOT_ID="ts3"/>
        <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="2760"/>
        <TIME_SLOT TIME_SLOT_ID="ts5" TIME_VALUE="2760"/>
        <TIME_SLOT TIME_SLOT_ID="ts6" TIME_VALUE="3001"/>
        <TIME_SLOT TIME_SLOT_ID="ts7" TIME_VALUE="4500"/>
    </TIME_ORDER>
    <TIER LINGUISTIC_TYPE_REF="translation" PARENT_REF="K-Spch" TIER_ID="K-Trans">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a5" ANNOTATION_REF="a1">
                <ANNOTATION_VALUE>so, \u201cwe&#x2019;re\u201d
   off</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="utterance" PARTICIPANT="Kim" TIER_ID="K-Spch">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts4">
                <ANNOTATION_VALUE>los geht&apos;s</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts6" TIME_SLOT_REF2="ts7">
                <ANNOTATION_VALUE></ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="words" PARENT_REF="K-Spch" TIER_ID="K-Word">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
                <ANNOTATION_VALUE>los</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a4" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts5">
                <ANNOTATION_VALUE>geht&apos;s</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="utterance" TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Time_Subdivision" GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="words"
        TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" GRAPHIC_REFERENCES="false"
        LINGUISTIC_TYPE_ID="translation" TIME_ALIGNABLE="false"/>
    <LOCALE COUNTRY_CODE="US" LANGUAGE_CODE="en"/>
    <CONSTRAINT DESCRIPTION="Time subdivision of parent annotation's time interval" STEREOTYPE="Time_Subdivision"/>
</ANNOTATION_DOCUMENT>
"""


def write_elan(folder: Path) -> None:
    (folder / "session1.eaf").write_text(ELAN_FILE, encoding="utf-8")


#: As BORIS 8 saves it, indented less.
BORIS_PROJECT: dict[str, Any] = {
    "time_format": "hh:mm:ss",
    "project_date": "2024-03-05T10:11:12",
    "project_name": "marmosets",
    "project_description": "",
    "project_format_version": "7.0",
    "subjects_conf": {"0": {"key": "1", "name": "Ann", "description": ""}, "1": {"key": "2", "name": "Bo"}},
    "behaviors_conf": {
        "0": {"type": "State event", "key": "g", "code": "groom", "description": "", "category": "social",
              "modifiers": {"0": {"name": "whom", "type": 0, "values": ["Ann", "Bo"]}}, "excluded": "",
              "coding map": ""},
        "1": {"type": "State event", "key": "r", "code": "rest, eyes shut", "category": "", "modifiers": ""},
        "2": {"type": "Point event", "key": "c", "code": "call", "category": "", "modifiers": ""},
    },
    "observations": {
        "day 1": {
            "file": {"1": ["/home/kim/films/DSC_01.MP4"], "2": [], "3": []},
            "type": "MEDIA",
            "date": "2024-03-05T10:11:12",
            "description": "",
            "time offset": 0.0,
            "events": [
                [1.25, "Ann", "groom", "Bo", "", 31],
                [2.0, "Bo", "rest, eyes shut", "", "sleepy", 50],
                [3.5, "Ann", "groom", "Bo", "", 87],
                [3.5, "Ann", "groom", "None", "", 87],
                [6.125, "Ann", "groom", "None", "", 153],
                [9.0, "Bo", "rest, eyes shut", "", "", 225],
            ],
            "time_interval": [0, 0],
            "independent_variables": {},
            "media_info": {
                "length": {"/home/kim/films/DSC_01.MP4": 12.012},
                "fps": {"/home/kim/films/DSC_01.MP4": 29.97002997002997},
                "hasVideo": {"/home/kim/films/DSC_01.MP4": True},
                "hasAudio": {"/home/kim/films/DSC_01.MP4": True},
            },
        },
        "day 2": {"file": [], "type": "LIVE", "date": "2024-03-06T10:00:00", "time offset": 0.0,
                  "events": [[0.5, "", "groom", "", ""], [1.5, "", "groom", "", ""]]},
    },
    "behavioral_categories": ["social"],
    "independent_variables": {},
    "coding_map": {},
    "behaviors_coding_map": [],
    "converters": {},
}  # fmt: skip


def write_boris(folder: Path) -> None:
    (folder / "marmosets.boris").write_text(json.dumps(BORIS_PROJECT))


#: As Label Studio exports them: with the name of an upload, two people's work, and other kinds of results.
LABEL_STUDIO_TASKS: list[dict[str, Any]] = [
    {
        "id": 7,
        "annotations": [
            {"id": 11, "completed_by": 1, "was_cancelled": True, "ground_truth": False, "result": []},
            {
                "id": 12,
                "completed_by": 2,
                "was_cancelled": False,
                "ground_truth": False,
                "lead_time": 25.1,
                "result": [
                    {
                        "original_length": 12.04,
                        "value": {"ranges": [{"start": 1, "end": 24}], "timelinelabels": ["Movement"]},
                        "id": "cZ6Ti",
                        "from_name": "videoLabels",
                        "to_name": "video",
                        "type": "timelinelabels",
                        "origin": "manual",
                    },
                    {
                        "value": {"ranges": [{"start": 37, "end": 60}], "timelinelabels": ["Still"]},
                        "id": "x5aFq",
                        "from_name": "videoLabels",
                        "to_name": "video",
                        "type": "timelinelabels",
                        "origin": "manual",
                    },
                    {
                        "original_length": 12.04,
                        "value": {"start": 3.25, "end": 4.5, "channel": 0, "labels": ["Speech"]},
                        "id": "wavesurfer_1",
                        "from_name": "audioLabels",
                        "to_name": "audio",
                        "type": "labels",
                        "origin": "manual",
                    },
                    {"value": {"choices": ["good"]}, "id": "q", "from_name": "quality", "type": "choices"},
                ],
            },
        ],
        "predictions": [
            {"model_version": "v1", "score": 0.5, "result": [
                {"type": "timelinelabels", "score": 0.5,
                 "value": {"ranges": [{"start": 1, "end": 48}], "timelinelabels": ["Still"]}}]}
        ],
        "data": {"video": "https://films.example/media/upload/1/3a4b5c6d-yard%20cam.mp4?e=1"},
        "meta": {},
        "project": 1,
    }
]  # fmt: skip


def write_label_studio(folder: Path) -> None:
    (folder / "project-1-at-2024-03-05.json").write_text(json.dumps(LABEL_STUDIO_TASKS))


VTT_FILE = """WEBVTT - of a lecture
Kind: captions

NOTE
Checked by kim --> done

STYLE
::cue { color: red }

intro
00:01.500 --> 00:04.000 line:0 align:start
<v.loud Ann>waves &amp; <i>smiles</i>

01:00:00.000 --> 01:00:02.250
<v Ann>asks<v Bo>answers,
twice

01:00:03.000 --> 01:00:04.000

01:00:05.000 --> 01:00:06.000
leaves
"""
SRT_FILE = """1
00:00:01,500 --> 00:00:04,000
<i>waves</i>

2
00:00:04,000 --> 00:00:05,125
Ann: smiles,
and leaves

"""


def write_webvtt(folder: Path) -> None:
    (folder / "lecture.vtt").write_text(VTT_FILE)
    (folder / "walk.srt").write_text(SRT_FILE)


#: As VIA 3 saves it: an interval of two attributes, one without a label, a box, and a file of its own address.
VIA_PROJECT: dict[str, Any] = {
    "project": {
        "pid": "__VIA_PROJECT_ID__",
        "rev": "__VIA_PROJECT_REV_ID__",
        "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
        "pname": "yard",
        "creator": "VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)",
        "created": 1649082838493,
        "data_format_version": "3.1.1",
        "vid_list": ["1", "2"],
    },
    "config": {"file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}}, "ui": {"file_content_align": "center"}},
    "attribute": {
        "1": {"aname": "TEMPORAL-SEGMENTS", "anchor_id": "FILE1_Z2_XY0", "type": 4, "desc": "",
              "options": {"0": "walk", "1": "run, fast"}, "default_option_id": ""},
        "2": {"aname": "weather", "anchor_id": "FILE1_Z0_XY0", "type": 1, "desc": "", "options": {}},
        "3": {"aname": "track", "anchor_id": "FILE1_Z2_XY0", "type": 1, "desc": "", "options": {}},
        "4": {"aname": "mood", "anchor_id": "FILE1_Z2_XY0", "type": 2, "options": {"a": "calm", "b": "loud"}},
    },
    "file": {
        "1": {"fid": "1", "fname": "yard_1.mp4", "type": 4, "loc": 1, "src": ""},
        "2": {"fid": 2, "fname": "https://films.example/yard%202.webm", "type": 4, "loc": 2,
              "src": "https://films.example/yard%202.webm"},
    },
    "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": [2]}},
    "metadata": {
        "1_5CizWooH": {"vid": "1", "flg": 0, "z": [0.5, 2.33575], "xy": [], "av": {"1": "0", "3": "Ann", "4": "a,b"}},
        "1_42mcFXBb": {"vid": "1", "flg": 0, "z": [2.5, 3], "xy": [], "av": {"1": "by hand"}},
        "1_IGhJJ93q": {"vid": "1", "flg": 0, "z": [3, 4], "xy": [], "av": {}},
        "1_jXpp1SZu": {"vid": "1", "flg": 0, "z": [1.5], "xy": [2, 10, 10, 50, 50], "av": {}},
        "2_hD4uDf5z": {"vid": "2", "flg": 0, "z": [0, 8.125], "xy": [], "av": {"1": "1"}},
    },
}  # fmt: skip


def write_via(folder: Path) -> None:
    (folder / "via_project_05Mar2024_10h11m12s.json").write_text(json.dumps(VIA_PROJECT))


def cvat_box(frame: int, outside: int = 0, keyframe: int = 1) -> str:
    """A shape of a track in CVAT."""
    place = 'xtl="10.50" ytl="4.25" xbr="80.00" ybr="90.10" z_order="0"'
    return (
        f'<box frame="{frame}" keyframe="{keyframe}" outside="{outside}" occluded="0" {place}>'
        '<attribute name="mood">calm</attribute></box>'
    )


#: As CVAT writes it: a track that leaves and comes back, and one that stays to the end.
CVAT_FILE = f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>3</id>
      <name>Yard, first day</name>
      <size>100</size>
      <mode>interpolation</mode>
      <overlap>5</overlap>
      <bugtracker></bugtracker>
      <created>2024-03-05 10:11:12.483219+00:00</created>
      <start_frame>0</start_frame>
      <stop_frame>99</stop_frame>
      <frame_filter></frame_filter>
      <segments><segment><id>3</id><start>0</start><stop>99</stop><url>http://cvat/api/jobs/3</url></segment></segments>
      <labels>
        <label><name>walk</name><color>#33ddff</color><type>any</type><attributes><attribute><name>mood</name>
          <mutable>True</mutable><input_type>select</input_type><default_value>calm</default_value>
          <values>calm
loud</values></attribute></attributes></label>
        <label><name>run &amp; jump</name><color>#fa3253</color><type>any</type><attributes></attributes></label>
      </labels>
      <original_size><width>640</width><height>360</height></original_size>
      <source>yard_1.mp4</source>
    </task>
    <dumped>2024-03-05 11:00:00.000000+00:00</dumped>
  </meta>
  <track id="0" label="walk" source="manual">
    {cvat_box(5)}{cvat_box(6, keyframe=0)}{cvat_box(20, outside=1)}{cvat_box(50)}{cvat_box(55, outside=1)}
  </track>
  <track id="1" label="run &amp; jump" source="manual">{cvat_box(90)}{cvat_box(98, keyframe=0)}</track>
</annotations>
"""


def write_cvat(folder: Path) -> None:
    (folder / "annotations.xml").write_text(CVAT_FILE)


LAYOUTS = [
    Layout("activitynet", write_activitynet, "activity_net.v1-3.min.json", counts=(3, 3, 0, 0)),
    Layout("kinetics", write_kinetics, counts=(5, 0, 4, 0)),
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
    Layout("elan", write_elan, counts=(1, 4, 0, 0)),
    Layout("boris", write_boris, counts=(2, 4, 0, 0)),
    Layout("label_studio", write_label_studio, counts=(1, 3, 0, 0)),
    Layout("webvtt", write_webvtt, counts=(2, 6, 0, 0)),
    Layout("via", write_via, counts=(2, 3, 0, 0)),
    Layout("cvat", write_cvat, options={"fps": 25}, counts=(1, 3, 0, 0)),
]
