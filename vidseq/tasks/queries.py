"""The queries of a data set that tasks can be asked, with their right answers."""

from collections.abc import Iterable

from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.tasks.base import Task


def known_queries(tasks: Iterable[Task], dataset: Dataset, videos: Iterable[str] | None = None) -> list[Query]:
    """Returns the queries whose answers a data set knows: those that it lists, then those that tasks derive.

    Args:
        tasks: in order; if two answer one kind of query, the first is asked.
        dataset: lists queries, and segments that queries are derived from.
        videos: of these alone; None: of all.
    """
    answering: dict[str, Task] = {}
    for task in tasks:
        if task.scored:
            answering.setdefault(task.query_kind, task)
    wanted = [*dataset.videos] if videos is None else [*videos]
    listed = dataset.queries if videos is None else [query for video in wanted for query in dataset.queries_of(video)]
    queries = [query for query in listed if query.kind in answering]
    for task in answering.values():
        queries += [query for video in wanted for query in task.derive_queries(dataset, video)]
    return queries
