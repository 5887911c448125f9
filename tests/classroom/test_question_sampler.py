"""Drawn questions, checked against the scene that is drawn at their time and against the plan of the events."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.classroom.actions import DECIDED_BY, RING_OF
from vidseq.classroom.answers import UNKNOWN, Question, answer
from vidseq.classroom.config import FAMILIES, ClassroomConfig
from vidseq.classroom.generator import dataset_info, generate
from vidseq.classroom.plan import draw_world
from vidseq.classroom.question_sampler import NOTHING, QuestionSampler, open_sampler, world_of
from vidseq.classroom.scripts import ANTICIPATION_SECONDS, latest
from vidseq.classroom.staging import scene_at
from vidseq.classroom.wording import answer_sentence
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.errors import DataError

CONFIG = ClassroomConfig(seconds=40, train_videos=4, pair_fraction=0.5)
SAMPLER = QuestionSampler(CONFIG)


def draw(video: str = "train_00001", time: float = 25.0, count: int = 40, seed: int = 0) -> list[Query]:
    return SAMPLER.draw(video, time, count, np.random.default_rng(seed))


@given(st.integers(0, 30), st.floats(0.0, 35.9), st.integers(0, 2**32))
def test_what_is_seen_now_is_what_is_drawn(index: int, time: float, seed: int) -> None:
    video = f"train_{index:05d}"
    scene = scene_at(world_of(CONFIG, video), time)
    colors = {thing.thing: thing.color for thing in scene.things}
    actions = {figure.shirt: figure.action for figure in scene.figures if not figure.adult}
    holding = {figure.shirt: figure.holding for figure in scene.figures if not figure.adult}
    for query in draw(video, time, seed=seed):
        words = set(re.findall(r"\w+", query.question or ""))
        if query.family == "color_now":
            assert query.answer == colors[next(thing for thing in colors if thing in words)]
        if query.family == "doing":
            assert query.answer == actions[next(shirt for shirt in CONFIG.colors if shirt in words)]
        if query.family == "holding":
            assert query.answer == (holding[next(shirt for shirt in CONFIG.colors if shirt in words)] or UNKNOWN)


def test_standing_questions_ask_once_for_each_thing_that_a_frame_may_show() -> None:
    standing = SAMPLER.standing()
    assert set(standing) <= set(SAMPLER.texts())
    for shirt in CONFIG.colors:  # of each child: what it does, its name, what it holds up
        assert sum(f"the {shirt} shirt" in text for text in standing) == 3
    things = ("rug", "table", "door", "chair", "card", "television", "bell", "lamp", "teddy", "kite")
    assert [sum(re.search(rf"\b{thing}\b", text) is not None for text in standing) for thing in things] == [1] * 10
    assert not any("next" in text or "earlier" in text for text in standing)


@given(st.integers(0, 30), st.floats(0.0, 35.9), st.integers(0, 2**32))
def test_what_was_and_comes_is_what_is_planned(index: int, time: float, seed: int) -> None:
    video = f"train_{index:05d}"
    world = world_of(CONFIG, video)
    for query in draw(video, time, seed=seed):
        text = query.question or ""
        if query.family == "first_last":
            shows = world.cards if "card" in text else world.programmes
            begun = [show.value for show in shows if show.start <= time]
            assert query.answer == (begun[0 if "first" in text else -1] if begun else UNKNOWN)
        if query.family == "count":
            spans = world.rings if "bell" in text else world.flashes
            assert query.answer == str(sum(start <= time for start, _ in spans))
        if query.family == "held_by":
            holds = [hold for hold in world.holds if hold.gift in text and hold.start <= time]
            shirts = {child.child: child.shirt for child in world.children}
            assert query.answer == (shirts[holds[-1].child] if holds else UNKNOWN)
        if query.family in ("held", "put_away"):
            begun = [(h.start, h.gift) for h in world.holds] if query.family == "held" else []
            begun += [(h.start, h.toy) for h in world.hides] if query.family == "put_away" else []
            begun = sorted(pair for pair in begun if pair[0] <= time)
            assert query.answer == (begun[0 if "first" in text else -1][1] if begun else UNKNOWN)
        if query.family == "next_action":
            child = next(child for child in world.children if child.shirt in re.findall(r"\w+", text))
            assert query.answer == min((s for s in child.steps if s.start > time), key=lambda s: s.start).action
            assert query.kind == "next_action"


@given(st.integers(0, 30), st.floats(2.0, 36.0), st.floats(0.1, 20.0), st.integers(0, 2**32))
def test_a_clip_suffices_for_what_is_asked_of_it(index: int, time: float, length: float, seed: int) -> None:
    """What began before the clip and ended before it is asked about no more; the plan knows what that is."""
    video, since = f"train_{index:05d}", max(0.0, time - length)
    world = world_of(CONFIG, video)
    for query in SAMPLER.draw(video, time, 40, np.random.default_rng(seed), since=since):
        text = query.question or ""
        if query.family == "first_last":
            shows = [show for show in (world.cards if "card" in text else world.programmes) if show.start <= time]
            seen = [show.value for show in shows if show.end > since]
            wanted = seen[0 if "first" in text else -1] if seen else UNKNOWN
            assert query.answer == wanted
        if query.family == "count":
            spans = world.rings if "bell" in text else world.flashes
            assert query.answer == str(sum(start <= time and end > since for start, end in spans))
        if query.family in ("who", "who_did") and query.answer != UNKNOWN:
            assert any(c.tag and c.tag[1] > since and c.name == query.answer for c in world.children)


def test_short_clips_are_asked_about_the_present_and_long_ones_about_the_past() -> None:
    present = {"color_now", "doing", "next_action", "holding"}
    on_view = {*present, "held", "held_by"}  # a child holds up the flag at this time
    shares = []
    for since, families in ((24.9, on_view), (0.0, present)):
        queries = SAMPLER.draw("train_00003", 25.0, 300, np.random.default_rng(0), since=since)
        known = [query for query in queries if query.answer not in (UNKNOWN, "0")]
        shares.append(sum(query.family in families for query in known) / len(known))
    assert shares[0] > 0.9 > 0.6 > shares[1]


def test_most_questions_about_the_first_or_last_of_several_need_their_order() -> None:
    """What was seen once answers both; where it is on view, it is asked as often as ever, for a frame teaches it."""
    rng, shares = np.random.default_rng(0), {True: [], False: []}
    for k, time in enumerate(rng.uniform(12.0, 36.0, size=300)):
        video = f"train_{k % 60:05d}"
        colors = list(world_of(CONFIG, video).record().window(-1.0, time).find("chair", "color"))
        asked = [query for query in SAMPLER.draw(video, time, 12, rng) if query.family == "color_then"]
        if colors:
            on_view = colors[-1].end >= time - 1e-6
            shares[on_view] += [colors[0].value != colors[-1].value] * len(asked)
    assert np.mean(shares[False]) > 0.6 > np.mean(shares[True])


def test_one_state_of_the_generator_gives_one_draw() -> None:
    assert draw(seed=3) == draw(seed=3) != draw(seed=4)


def test_every_family_is_asked_and_little_is_unknown() -> None:
    rng = np.random.default_rng(0)
    times = rng.uniform(4.0, 36.0, size=200)
    beside = ("held_by", "held", "put_away")  # what is held up now, `holding`, is seldom asked
    queries = [query for k, time in enumerate(times) for query in SAMPLER.draw(f"train_{k % 40:05d}", time, 8, rng)]
    assert len(queries) > 0.9 * 8 * len(times)
    for family in (*FAMILIES, *beside):
        own = [query.answer for query in queries if query.family == family]
        assert len(own) > 0.02 * len(queries), family
        assert own.count(UNKNOWN) < 0.55 * len(own), family


# Of who did something, answers that a lone name gives are kept less often, so that more of the rest are unknown.
@pytest.mark.parametrize(("family", "wanted"), [("who", 0.2), ("color_then", 0.2), ("hidden", 0.2), ("who_did", 0.3)])
def test_time_does_not_reveal_that_there_is_no_answer(family: str, wanted: float) -> None:
    """Early most things have not happened yet, and late most have: neither may be learnt from the time."""
    sampler, rng, answers = (
        QuestionSampler(ClassroomConfig(seconds=40, families=(family,))),
        np.random.default_rng(0),
        {},
    )
    for early, span in ((True, (8.0, 14.0)), (False, (26.0, 36.0))):
        moments = [(f"train_{k % 150:05d}", rng.uniform(*span)) for k in range(600)]
        asked = [query for video, time in moments for query in sampler.draw(video, time, 1, rng)]
        answers[early] = np.isin([query.answer for query in asked if query.family == family], NOTHING).mean()
    assert abs(answers[True] - answers[False]) < 0.18, answers
    assert abs(answers[True] - wanted) < 0.18, answers


@given(st.integers(0, 60), st.floats(2.0, 36.0), st.floats(0.1, 40.0), st.integers(0, 2**32))
def test_next_actions_are_asked_where_the_clip_shows_what_decides_them(
    index: int, time: float, length: float, seed: int
) -> None:
    config = ClassroomConfig(seconds=40, noise=0.0, families=("next_action",))
    video, since = f"train_{index:05d}", max(0.0, time - length)
    world = world_of(config, video)
    clip = world.record().window(since or -1.0, time)
    for query in QuestionSampler(config).draw(video, time, 4, np.random.default_rng(seed), since=since):
        child = next(child for child in world.children if child.shirt in re.findall(r"\w+", query.question or ""))
        step = child.step_at(time)
        assert step is not None
        decides = step.end - ANTICIPATION_SECONDS
        shows = (world.cards, world.programmes)
        if all(latest(kind, time) == latest(kind, decides) for kind in shows):  # else it is decided after the question
            said = any(show.value in (query.question or "") for kind in shows for show in kind)
            seen = world.record().window(-1.0, time) if said else clip
            assert query.answer == answer(seen, Question("next", child.shirt), time)


@given(st.integers(0, 60), st.floats(8.0, 36.0), st.integers(0, 2**32))
def test_what_a_question_says_is_true(index: int, time: float, seed: int) -> None:
    config = ClassroomConfig(seconds=40, families=("next_action",))
    world = world_of(config, f"train_{index:05d}")
    for query in QuestionSampler(config).draw(world.video, time, 6, np.random.default_rng(seed), since=time - 0.5):
        *hints, text = (query.question or "").split(". ")
        child = next(child for child in world.children if child.shirt in re.findall(r"\w+", text))
        step = child.step_at(time)
        assert step is not None
        decider = DECIDED_BY[RING_OF[step.action][0]]
        shows = {"card": world.cards, "television": world.programmes}
        true = [answer_sentence(Question("doing", child.shirt), step.action)]
        if decider in shows:
            show = latest(shows[decider], time)
            assert show is not None
            true.append(answer_sentence(Question("shown", decider), show.value))
        assert {*hints} <= {*true}
        assert len(hints) == len({*hints})
        if decider in shows and show is not None and show.end < time - 0.5:  # the clip does not show it
            assert true[1] in hints or len(world.children) > 1  # others' transitions in the clip may show it, too


def test_each_thing_that_decides_next_actions_is_asked_about_as_often() -> None:
    sampler = QuestionSampler(ClassroomConfig(seconds=40, families=("next_action",)))
    rng, found = np.random.default_rng(0), []
    for k in range(800):
        video, time = f"train_{k % 200:05d}", rng.uniform(10.0, 36.0)
        for query in sampler.draw(video, time, 1, rng):
            shirts = {child.shirt: child for child in world_of(sampler.config, video).children}
            step = next(c for s, c in shirts.items() if s in re.findall(r"\w+", query.question or "")).step_at(time)
            assert step is not None
            found.append(DECIDED_BY[RING_OF[step.action][0]])
    shares = {decider: found.count(decider) / len(found) for decider in set(DECIDED_BY)}
    assert all(0.2 < shares[decider] < 0.5 for decider in ("card", "television", "current")), shares
    assert shares["habit"] > 0.03, shares  # a habit must have been shown before


def test_answers_and_texts_are_known_beforehand() -> None:
    info, texts = dataset_info(CONFIG), set(SAMPLER.texts())
    classes = {"question": info.labels["answer"], "next_action": info.labels["action"]}
    for index in range(40):
        for query in draw(f"train_{index:05d}", 30.0, seed=index):
            assert {*(query.question or "").split(". ")} <= texts
            assert query.answer in classes[query.kind]
            assert (query.video, query.time) == (f"train_{index:05d}", 30.0)


def test_answers_may_be_sentences() -> None:
    sampler = QuestionSampler(ClassroomConfig(answers="sentences", families=("color_now", "next_action")))
    queries = sampler.draw("train_00000", 20.0, 30, np.random.default_rng(0))
    assert all(query.answer.startswith("the ") for query in queries if query.family == "color_now")
    assert all(" " not in query.answer for query in queries if query.family == "next_action")


def test_a_generated_data_set_can_be_opened(tmp_path: Path) -> None:
    config = ClassroomConfig(
        train_videos=2, val_videos=1, test_videos=1, seconds=30, observations="symbolic", pair_fraction=1.0
    )
    dataset = Dataset.load(generate(tmp_path / "data", config))
    assert dataset.info.question_source == "classroom"
    sampler = open_sampler(dataset)
    assert sampler.config == config
    for video in dataset.videos.values():
        assert world_of(config, video.video).seconds == video.duration
    assert "train_00000_twin" in dataset.videos
    assert world_of(config, "train_00000_twin") != draw_world(config, "train", 0)
    with pytest.raises(DataError, match="train_00000"):
        world_of(config, "clip7")


@pytest.mark.parametrize("content", [None, "{", '{"seed": 1}', "[]", "7"])
def test_a_folder_without_its_configuration_is_told(tmp_path: Path, content: str | None) -> None:
    config = ClassroomConfig(train_videos=1, val_videos=0, test_videos=0, seconds=30, observations="symbolic")
    dataset = Dataset.load(generate(tmp_path, config))
    (tmp_path / "classroom.json").unlink()
    if content is not None:
        (tmp_path / "classroom.json").write_text(content)
    with pytest.raises(DataError, match=r"expects its configuration in .*classroom\.json"):
        open_sampler(dataset)
