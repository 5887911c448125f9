"""Minimal pairs: one question about two videos with the same present and different pasts."""

from dataclasses import replace

from vidseq.classroom.answers import UNKNOWN, answer
from vidseq.classroom.queries import Asked
from vidseq.classroom.staging import scene_at
from vidseq.classroom.world import World

#: Kinds of questions whose answers a twin changes.
_PAIRED = ("name_of", "name_at", "color_then", "box_of", "holder")


def pair_up(world: World, other: World, asked: list[Asked]) -> tuple[list[Asked], list[Asked]]:
    """Finds the questions that make minimal pairs.

    Args:
        world: one video.
        other: its twin.
        asked: questions about `world`.

    Returns:
        all questions about `world`, those of pairs marked; and those of pairs again, about `other`.
    """
    record = other.record()
    first: list[Asked] = []
    second: list[Asked] = []
    for item in asked:
        query, pair = item.query, f"{world.video}:{len(second)}"
        opposite = answer(record, item.ask, query.time) if item.ask.kind in _PAIRED else query.answer
        changed = opposite != query.answer and UNKNOWN not in (opposite, query.answer)
        if changed and scene_at(world, query.time) == scene_at(other, query.time):
            second.append(replace(item, query=replace(query, video=other.video, answer=opposite, pair=pair)))
            item = replace(item, query=replace(query, pair=pair))
        first.append(item)
    return first, second
