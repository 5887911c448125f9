"""The strip: what it says, which frames it shows, and that no text of a data set can break it."""

from xml.etree import ElementTree

import matplotlib.image
import numpy as np
from planted_past import CLASSES, FPS, model_of, past_of_length, query_at

from vidseq.data.dataset import Dataset
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.explain.figure import Tile, choose_frames, important_past_figure, shown_widths
from vidseq.explain.find import find_important_past
from vidseq.explain.tiles import tiles_of
from vidseq.reporting.figures import save_figure


def planted(num_frames=40, needed=(10, 11, 12), evidence=((9, 14),), **query):
    past = past_of_length(num_frames)
    return find_important_past(
        model_of(lambda seen: set(needed) <= seen), CLASSES, past, query_at(past, evidence, **query)
    )


def plain_tiles(numbers):
    return [Tile(np.full((3, 4, 3), 200, np.uint8), f"frame {number}") for number in numbers]


def texts(figure):
    inside = [text.get_text() for axis in figure.axes for text in [*axis.texts, *axis.get_yticklabels()]]
    return inside + [text.get_text() for text in figure.texts]


def test_it_says_what_was_found():
    said = texts(important_past_figure(planted(), plain_tiles))
    assert "Which colour?" in said
    assert any(text.startswith("The model says “green” (99%). It is right.") for text in said)
    assert {"minimal set", "true evidence", "3 frames", "5 frames"} <= set(said)
    assert any("the others keep their times" in text and "another may exist" in text for text in said)
    wrong = texts(important_past_figure(planted(answer="blue", evidence=()), plain_tiles))
    assert any("The answer is “blue”." in text for text in wrong) and "true evidence" not in wrong


def test_each_part_shows_the_frame_that_matters_most_there():
    found = planted(num_frames=40, needed=(11, 12))
    numbers = choose_frames(found)
    assert len(numbers) == 8 and numbers == sorted(numbers)
    assert numbers[2] in (11, 12) and numbers[0] == 2
    assert choose_frames(planted(num_frames=3, needed=(1,), evidence=())) == [0, 1, 2]


def test_widths_shown_are_few_and_hold_the_finest():
    assert shown_widths(planted()) == [1, 5]
    assert shown_widths(planted(num_frames=1, needed=(0,), evidence=())) == [1]


def test_it_is_saved_the_same_twice_and_hostile_text_does_no_harm(tmp_path):
    found = planted()
    hostile = query_at(past_of_length(40), ((9, 14),), answer="green")
    object.__setattr__(hostile, "question", "$\\frac{1$ <script>alert(1)</script> & what?")
    object.__setattr__(found, "query", hostile)
    for stem in ("one", "two"):
        save_figure(important_past_figure(found, plain_tiles), tmp_path / stem)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    tree = ElementTree.fromstring((tmp_path / "one.svg").read_text())
    assert not [element for element in tree.iter() if element.tag.endswith("script")]
    assert "<script>alert(1)</script>" in "".join(tree.itertext())
    assert matplotlib.image.imread(tmp_path / "one.png")[..., :3].std() > 0.05


def test_symbols_where_there_is_no_file(tmp_path):
    info = DatasetInfo(name="d", observations="features")
    videos = {"v": Video(video="v", split="test", duration=10.0, path="gone.mp4")}
    segments = [Segment(video="v", start=0.0, end=2.0, label="water_the_flowers_slowly")]
    past = past_of_length(20)
    tiles = tiles_of(Dataset(tmp_path, info, videos, segments, []), "v", past)([0, 19])
    assert tiles[0].caption == "water the flow…" and tiles[1].caption == ""
    assert tiles[0].image[0, 0] == 1.0 and tiles[1].image[0, 0] == 0.25  # smallest value light, largest dark


def test_thumbnails_are_the_frames_on_screen_then(tmp_path):
    from vidseq.video.writer import VideoWriter

    with VideoWriter(tmp_path / "v.mp4", fps=FPS) as writer:
        for number in range(8):
            writer.write(np.full((1, 64, 64, 3), 30 * number, np.uint8))
    videos = {"v": Video(video="v", split="test", duration=2.0, path="v.mp4")}
    dataset = Dataset(tmp_path, DatasetInfo(name="d"), videos, [], [])
    tiles = tiles_of(dataset, "v", past_of_length(8))([1, 6])
    assert [round(float(tile.image.mean()) / 30) for tile in tiles] == [1, 6]
