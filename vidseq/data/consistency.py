"""Checks rows against their data set: known videos, labels and splits, and times within the video."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from vidseq.data.fields import TIME_TOLERANCE, listing, nearest
from vidseq.data.format import INFO_FILE, VIDEOS_FILE, round_seconds
from vidseq.data.schema import NEXT_ACTION, QUERY_KINDS, QUESTION, DatasetInfo, Query, Segment, Video
from vidseq.errors import DataError, UserError


def check_video(where: str, video: Video, info: DatasetInfo) -> None:
    """Raises `DataError` if a video is inconsistent with its data set."""
    if video.split not in info.splits:
        raise DataError(
            f"{where}: 'split' expects one of the splits of {INFO_FILE} ({', '.join(info.splits)}), got "
            f"'{video.split}'.{nearest(video.split, info.splits)}"
        )


def check_segment(where: str, segment: Segment, videos: Mapping[str, Video], labels: Collection[str] | None) -> None:
    """Raises `DataError` if a segment is inconsistent with its data set.

    Args:
        where: file and line of the row, for the message.
        segment: the segment.
        videos: the data set's videos by name.
        labels: its action labels; None if it lists none.
    """
    video = _known_video(where, segment.video, videos)
    if not 0 <= round_seconds(segment.start) < round_seconds(segment.end):
        raise DataError(
            f"{where}: a segment expects 0 <= start < end, a millisecond apart at least, got start {segment.start} "
            f"and end {segment.end}. Correct the times, or remove the row."
        )
    if segment.end > video.duration + TIME_TOLERANCE:
        raise DataError(
            f"{where}: 'end' expects at most the duration of '{video.video}', {video.duration} s, got {segment.end}. "
            f"Shorten the segment, or correct the duration in {VIDEOS_FILE}."
        )
    if labels is not None and segment.label not in labels:
        raise _unknown_label(where, "label", segment.label, "action", labels)


def check_query(
    where: str,
    query: Query,
    videos: Mapping[str, Video],
    actions: Collection[str] | None,
    answers: Collection[str] | None,
) -> None:
    """Raises `DataError` if a query is inconsistent with its data set.

    Args:
        where: file and line of the row, for the message.
        query: the query.
        videos: the data set's videos by name.
        actions: its action labels; None if it lists none.
        answers: its answers; None if it lists none.
    """
    video = _known_video(where, query.video, videos)
    if not 0 <= query.time <= video.duration + TIME_TOLERANCE:
        raise DataError(
            f"{where}: 'time' expects seconds from 0 to the duration of '{video.video}', {video.duration} s, "
            f"got {query.time}."
        )
    for start, end in query.evidence:
        if not 0 <= start < end <= query.time + TIME_TOLERANCE:
            raise DataError(
                f"{where}: 'evidence' expects intervals [start, end] with 0 <= start < end <= time ({query.time}), "
                f"got [{start}, {end}]. Evidence must end before the query."
            )
    _check_answer(where, query, actions, answers)


def _check_answer(where: str, query: Query, actions: Collection[str] | None, answers: Collection[str] | None) -> None:
    if query.kind == NEXT_ACTION:
        if actions is not None and query.answer not in actions:
            raise _unknown_label(where, "answer", query.answer, "action", actions)
    elif query.kind != QUESTION:
        raise DataError(
            f"{where}: 'kind' expects one of {', '.join(QUERY_KINDS)}, got '{query.kind}'."
            f"{nearest(query.kind, QUERY_KINDS)}"
        )
    elif query.question is None:
        raise DataError(f"{where}: a query of kind question expects a 'question', got none.")
    elif not query.choices and answers is not None and query.answer not in answers:
        raise _unknown_label(where, "answer", query.answer, "answer", answers)
    if query.choices and query.answer not in query.choices:
        raise DataError(f"{where}: 'answer' expects one of the choices {list(query.choices)}, got '{query.answer}'.")


def repeated_questions(queries: Sequence[Query]) -> list[list[int]]:
    """Finds questions that are asked more than once of a video at one time, whatever their answers.

    They would count more than others, and no model can give two answers to one question. Next actions may repeat: two
    tracks may start one action at the same time.

    Returns:
        the indices of the queries of each such question, the first ones first.
    """
    asked: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, query in enumerate(queries):
        if query.question:
            asked[query.video, round_seconds(query.time), query.question, query.choices].append(index)
    return [indices for indices in asked.values() if len(indices) > 1]


def refuse_repeated_questions(queries: Sequence[Query], who: str) -> None:
    """Refuses questions that are asked twice, for training and evaluation alike; the check names their rows.

    Args:
        queries: the queries.
        who: what refuses them, such as "Training".

    Raises:
        UserError: names the first of them.
    """
    for indices in repeated_questions(queries):
        query, answers = queries[indices[0]], dict.fromkeys(queries[index].answer for index in indices)
        different = f" with the answers {', '.join(answers)}" if len(answers) > 1 else ""
        raise UserError(
            f"{who} expects each question once, got '{query.question}' {len(indices)} times of '{query.video}' at "
            f"{query.time:.3f} s{different}. Remove the copies: they would count more than the others. "
            "`vidseq data check` names their rows."
        )


def _known_video(where: str, video: str, videos: Mapping[str, Video]) -> Video:
    if video not in videos:
        fix = nearest(video, videos) or " Add its row there."
        raise DataError(f"{where}: 'video' expects one of {VIDEOS_FILE}, got '{video}'.{fix}")
    return videos[video]


def _unknown_label(where: str, key: str, label: str, kind: str, labels: Collection[str]) -> DataError:
    return DataError(
        f"{where}: '{key}' expects one of labels.{kind} of {INFO_FILE}, got '{label}'.{nearest(label, labels)} "
        f"labels.{kind}: {listing(labels)}."
    )
