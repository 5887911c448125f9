"""Minimal pairs: one question about two videos with the same present and different pasts."""

from dataclasses import replace

from vidseq.classroom.answers import UNKNOWN, answer
from vidseq.classroom.queries import PlannedQuery
from vidseq.classroom.staging import scene_at
from vidseq.classroom.world import World

#: Kinds of questions whose answers a twin changes.
_PAIRED = ("name_of", "name_at", "color_then", "box_of", "holder")


def pair_up(world: World, other: World, queries: list[PlannedQuery]) -> tuple[list[PlannedQuery], list[PlannedQuery]]:
    """Finds the queries that form minimal pairs.

    Args:
        world: one video.
        other: its twin.
        queries: queries of `world`.

    Returns:
        all queries of `world`, with their pairs; and the paired ones again for `other`.
    """
    record = other.record()
    first: list[PlannedQuery] = []
    second: list[PlannedQuery] = []
    for item in queries:
        query, pair = item.query, f"{world.video}:{len(second)}"
        opposite = answer(record, item.question, query.time) if item.question.kind in _PAIRED else query.answer
        changed = opposite != query.answer and UNKNOWN not in (opposite, query.answer)
        if changed and scene_at(world, query.time) == scene_at(other, query.time):
            second.append(replace(item, query=replace(query, video=other.video, answer=opposite, pair=pair)))
            item = replace(item, query=replace(query, pair=pair))
        first.append(item)
    return first, second
