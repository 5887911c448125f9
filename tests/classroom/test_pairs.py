from collections import defaultdict

from vidseq.classroom.generator import plan_videos
from vidseq.classroom.staging import scene_at


def test_pairs_share_present_and_question_but_not_the_answer(videos):
    pairs = defaultdict(list)
    for planned in videos.values():
        for item in planned.queries:
            if item.query.pair is not None:
                pairs[item.query.pair].append((planned.world, item.query))
    assert len(pairs) > 100
    for (world, query), (other, twin) in pairs.values():
        assert world.video != other.video
        assert (query.time, query.question, query.evidence) == (twin.time, twin.question, twin.evidence)
        assert query.answer != twin.answer
        assert scene_at(world, query.time) == scene_at(other, query.time)
    assert {query.family for (_, query), _ in pairs.values()} == {"who", "color_then", "hidden", "who_did"}


def test_a_twin_differs_in_its_past_alone(config):
    first, second = plan_videos(config, "train", 0)
    assert second.world.video == first.world.video + "_twin"
    one, other = first.world, second.world
    assert [child.steps for child in one.children] == [child.steps for child in other.children]
    assert one.cards == other.cards and one.programmes == other.programmes and one.colors == other.colors
    assert all(a.name != b.name for a, b in zip(one.children, other.children))
