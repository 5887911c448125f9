"""Work in a process of its own, job after job, whose values come one by one."""

import atexit
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar, cast

from vidseq.errors import VideoError
from vidseq.processes import Duty, Part, Worker

Job = TypeVar("Job")
Value = TypeVar("Value")


class Isolated(Generic[Job, Value]):
    """Does jobs in another process, so that one that ends its process or hangs costs itself alone.

    The process starts with the first job, and anew after a job that has ended it. It ends with `end`, and with its
    parent.

    Args:
        work: yields the values of a job. It is sent to the process once.
        fatal: errors that no other job would escape either; they are raised as they are.
        patience: seconds without progress after which a job that is `watched` is ended.
    """

    def __init__(
        self,
        work: Callable[[Job], Iterable[Value]],
        *,
        fatal: tuple[type[Exception], ...] = (),
        patience: float | None = None,
    ) -> None:
        self._duty = Duty(work, fatal=fatal, in_parts=True)
        self._patience = patience
        self._worker: Worker[Job, Iterable[Value]] | None = None
        atexit.register(self.end)

    def __call__(self, name: str, job: Job) -> Iterator[Value]:
        """Yields the values of a job as they come.

        Raises:
            VideoError: the job failed, ended its process or hung; says why, in one line that begins with its name.
        """
        worker = self._worker = self._worker or Worker(self._duty, self._patience)
        worker.start(name, job)
        while True:
            worker.connection.poll(worker.seconds_left)
            message = worker.receive()
            if isinstance(message, Part):
                yield cast(Value, message.value)
            elif message is not None:
                break
        if not worker.is_alive():
            self.end()
        if message.error:
            raise VideoError(message.error if name in message.error else f"{name}: {message.error}")

    def end(self) -> None:
        """Ends the process."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()
