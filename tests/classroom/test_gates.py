"""No shortcuts: whoever has not seen the evidence cannot do better than a guess.

Each probe learns on one half of the videos and is scored on the other. Its limit is the prior (one over the number of
answers, or how often the commonest comes) and four standard errors.
"""

from collections import Counter, defaultdict

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from vidseq.classroom.answers import UNKNOWN, answer
from vidseq.classroom.plan import allowed_looks, draw_world
from vidseq.classroom.record import Record
from vidseq.classroom.symbolic import SymbolicEncoder

MEMORY = ("who", "color_then", "first_last", "hidden", "count", "order", "who_did")


@pytest.fixture(scope="module")
def queries(videos):
    """Memory questions by family, twins left out: their answers depend on those of their originals."""
    by_family = defaultdict(list)
    for video, planned in videos.items():
        if not video.endswith("_twin"):
            for item in planned.queries:
                by_family[item.query.family].append((planned.world, item))
    return by_family


def words_of(items):
    """Bag of words of each question, so that a probe can take any surface form and subject for a sign."""
    words = sorted({word for _, item in items for word in item.query.question.split()})
    return np.array([[word in item.query.question.split() for word in words] for _, item in items], dtype=float)


def score(features, items):
    """Accuracy on the second half of a probe that has learnt on the first, and its limit."""
    answers = np.array([item.query.answer for _, item in items])
    half = len(items) // 2
    forest = RandomForestClassifier(100, min_samples_leaf=5, random_state=0, n_jobs=1)
    forest.fit(features[:half], answers[:half])
    accuracy = float(np.mean(forest.predict(features[half:]) == answers[half:]))
    groups = np.mean([best_guess(group) for group in by_answers(items).values()])
    return accuracy, groups + 4 * np.sqrt(groups * (1 - groups) / (len(items) - half))


def by_answers(items):
    """Questions by the set of answers they can have, one entry for each question: cards differ from programmes."""
    kinds = defaultdict(Counter)
    for _, item in items:
        kinds[kind_of(item)][item.query.answer] += 1
    return {k: kinds[kind_of(item)] for k, (_, item) in enumerate(items)}


def kind_of(item):
    question = item.question
    if question.kind.startswith(("shown", "first_")):
        return (question.kind, *sorted((question.subject, question.which)))
    return question.kind


def best_guess(counts):
    return max(1 / len(counts), max(counts.values()) / counts.total() if counts.total() > 150 else 0)


@pytest.mark.parametrize("family", MEMORY)
def test_the_question_alone_reveals_nothing(queries, family):
    accuracy, limit = score(words_of(queries[family]), queries[family])
    assert accuracy < limit


@pytest.mark.parametrize("family", MEMORY)
def test_time_length_and_number_of_events_reveal_nothing(queries, records, family):
    items = queries[family]
    clock = [
        (
            item.query.time,
            world.seconds,
            item.query.time / world.seconds,
            len(world.children),
            sum(fact.start < item.query.time for fact in records[world.video].facts if fact.attribute != "signal"),
            len([start for start, _ in (*world.rings, *world.flashes) if start < item.query.time]),
        )
        for world, item in items
    ]
    accuracy, limit = score(np.hstack([words_of(items), np.array(clock)]), items)
    assert accuracy < limit


@pytest.mark.parametrize("family", MEMORY)
def test_the_last_frame_reveals_nothing(queries, config, family):
    encoder, items = SymbolicEncoder(config), queries[family]
    frames = np.stack([encoder.frame(world, item.query.time) for world, item in items])
    accuracy, limit = score(np.hstack([words_of(items), frames]), items)
    assert accuracy < limit


@pytest.mark.parametrize("family", MEMORY)
def test_a_context_shorter_than_the_evidence_age_reveals_nothing(queries, records, family):
    """On what is seen after the evidence. Left out: the "first" of several; the later ones rule an answer out."""
    items = [
        (world, item)
        for world, item in queries[family]
        if item.query.evidence and not (item.question.which == "first" and item.query.tier == "interference")
    ]
    kinds = ("name", "card", "television", "color", "box", "holds", "signal")
    seen = []
    for world, item in items:
        start = max(end for _, end in item.query.evidence)
        window = records[world.video].window(start, item.query.time)
        facts = [fact for fact in window.facts if fact.attribute in kinds]
        assert answer(window, item.question, item.query.time) in (UNKNOWN, "0")
        seen.append(Counter(f"{fact.attribute} {fact.value}" for fact in facts))
    names = sorted({name for counts in seen for name in counts})
    features = np.array([[counts[name] for name in names] for counts in seen], dtype=float)
    accuracy, limit = score(np.hstack([words_of(items), features]), items)
    assert accuracy < limit


@pytest.mark.parametrize("family", MEMORY)
def test_the_past_of_another_video_reveals_nothing(queries, records, family):
    """An answerer with perfect memory, but of a video that was swapped in; the present is its own."""
    items = [(world, item) for world, item in queries[family] if item.query.answer not in (UNKNOWN, "0")]
    hits = 0
    for k, (world, item) in enumerate(items):
        other = records[items[(k + len(items) // 2) % len(items)][0].video]
        time = item.query.time
        present = records[world.video].window(time - 0.3, time)
        swapped = Record(tuple(sorted((*other.window(0.0, time - 0.3).facts, *present.facts))))
        hits += answer(swapped, item.question, time) == item.query.answer
    prior = np.mean([best_guess(counts) for counts in by_answers(items).values()])
    assert hits / len(items) < prior + 4 * np.sqrt(prior * (1 - prior) / len(items))


def test_without_the_order_of_the_past_order_and_overwriting_are_unknown(queries, records, rng):
    items = [
        (world, item)
        for family in ("order", "first_last", "color_then", "hidden")
        for world, item in queries[family]
        if (family == "order" and item.query.evidence) or item.query.tier == "overwrite"
    ]
    hits = 0
    for world, item in items:
        facts = [fact for fact in records[world.video].facts if fact.end < item.query.time]
        starts = rng.permutation([fact.start for fact in facts])
        moved = [type(f)(float(s), float(s + 0.01), f.entity, f.attribute, f.value) for f, s in zip(facts, starts)]
        hits += answer(Record(tuple(sorted(moved))), item.question, item.query.time + 1) == item.query.answer
    assert len(items) > 300
    assert hits / len(items) < 0.5 + 4 * 0.5 / np.sqrt(len(items))


@pytest.mark.parametrize("family", MEMORY)
def test_answers_are_balanced_within_family_and_surface_form(queries, family):
    """Every answer that a question can have is about as frequent as the others (chi-squared, generously)."""
    for counts in {
        kind_of(item): c for (_, item), c in zip(queries[family], by_answers(queries[family]).values())
    }.values():
        expected = counts.total() / len(counts)
        if expected > 20:
            surprise = sum((count - expected) ** 2 / expected for count in counts.values())
            assert surprise < 3 * (len(counts) - 1) + 15, counts


def test_splits_differ_in_script_layout_and_appearance(config):
    looks = {split: set(allowed_looks(split, config.colors)) for split in ("train", "val", "test")}
    assert (
        not looks["train"] & looks["test"] and not looks["train"] & looks["val"] and not looks["val"] & looks["test"]
    )
    worlds = {split: [draw_world(config, split, k) for k in range(30)] for split in looks}
    for split, drawn in worlds.items():
        assert {(child.shirt, child.hair_style) for world in drawn for child in world.children} <= looks[split]
    layouts = {split: {world.layout_seed for world in drawn} for split, drawn in worlds.items()}
    assert not layouts["train"] & layouts["test"]
    scripts = [tuple(child.steps) for drawn in worlds.values() for world in drawn for child in world.children]
    assert len(set(scripts)) == len(scripts)


def test_the_probes_do_see_what_there_is_to_see(queries, records):
    """Else their blindness would mean nothing: given the evidence, the same probe answers."""
    for family in ("color_then", "who"):
        items = [(world, item) for world, item in queries[family] if item.query.evidence]
        seen = [records[world.video].only(item.query.evidence).facts for world, item in items]
        facts_of = [
            {f"{f.attribute} {f.value}" for f in facts if f.entity not in ("rug", "table", "door")} for facts in seen
        ]
        names = sorted(set().union(*facts_of))
        features = np.array([[name in facts for name in names] for facts in facts_of], dtype=float)
        accuracy, limit = score(np.hstack([words_of(items), features]), items)
        assert accuracy > limit + 0.2
