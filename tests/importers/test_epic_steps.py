from pathlib import Path

import numpy as np

from vidseq.importers.epic_sequences import epic_steps


def test_all_kinds_share_one_store_of_verb_and_noun(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "training.csv").write_text("P01_01_0,P01_01,0,30,1,0,2\nP01_01_1,P01_01,60,90,0,1,1\n")
    (source / "validation.csv").write_text("P02_11_0,P02_11,0,30,0,0,0\n")
    (source / "actions.csv").write_text("id,verb,noun,action\n0,0,0,take cup\n1,0,1,take plate\n2,1,0,wash cup\n")
    (source / "EPIC_100_verb_classes.csv").write_text("id,key\n0,take\n1,wash\n")
    (source / "EPIC_100_noun_classes.csv").write_text("id,key\n0,cup\n1,plate\n")
    found = {}
    for kind in ("noun", "action", "verb"):
        dataset, store = epic_steps(source, tmp_path / "out", kind)
        found[kind] = [item.label for item in dataset.segments_of("P01_01")]
        assert {name: video.split for name, video in dataset.videos.items()} == {"P01_01": "train", "P02_11": "test"}
        assert dataset.group_of("P01_01") == "P01"
        assert len(store) == 2
        np.testing.assert_array_equal(store.read("P01_01").features[:, :4], [[0, 1, 1, 0], [1, 0, 0, 1]])
    assert found == {"noun": ["cup", "plate"], "action": ["wash cup", "take plate"], "verb": ["wash", "take"]}
