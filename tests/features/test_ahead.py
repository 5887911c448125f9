import itertools
import threading
import time

import pytest

from vidseq.features import ahead
from vidseq.features.ahead import map_side_by_side, read_ahead


def test_order():
    assert list(read_ahead(iter(range(100)), 3)) == list(range(100))
    assert list(read_ahead(iter(()), 3)) == []


def test_errors_come_where_they_would_have():
    def items():
        yield 1
        raise ValueError("broken here")

    got = []
    with pytest.raises(ValueError, match="broken here"):
        for item in read_ahead(items(), 3):
            got.append(item)
    assert got == [1]


def test_never_more_than_depth_wait():
    made = []
    items = read_ahead((made.append(number) or number for number in itertools.count()), 4)
    next(items)
    time.sleep(0.1)
    assert len(made) <= 1 + 4 + 1  # one used, four waiting, one in the thread's hand
    items.close()


def test_stopping_early_ends_the_thread():
    items = read_ahead(itertools.count(), 2)
    assert next(items) == 0
    items.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def test_a_step_that_never_ends_does_not_stop_the_stop(monkeypatch):
    monkeypatch.setattr(ahead, "STOP_SECONDS", 0.05)
    forever = threading.Event()

    def items():
        yield 1
        forever.wait()

    started = time.monotonic()
    reading = read_ahead(items(), 2)
    next(reading)
    reading.close()
    assert time.monotonic() - started < 2
    forever.set()


def test_work_overlaps():
    def slow():
        for number in range(10):
            time.sleep(0.03)
            yield number

    started = time.monotonic()
    for _ in read_ahead(slow(), 4):
        time.sleep(0.03)
    assert time.monotonic() - started < 0.5  # one after the other: 0.6


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_side_by_side_keeps_the_order(workers):
    def slow_when_even(number):
        time.sleep(0.002 * (number % 2 == 0))
        return number * number

    assert list(map_side_by_side(slow_when_even, range(30), workers)) == [number * number for number in range(30)]
    assert list(map_side_by_side(slow_when_even, (), workers)) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_side_by_side_errors_come_where_they_would_have(workers):
    got = []
    with pytest.raises(ZeroDivisionError):
        for result in map_side_by_side(lambda number: 1 // (5 - number), range(10), workers):
            got.append(result)
    assert got == [1 // (5 - number) for number in range(5)]


def test_side_by_side_runs_so_many_and_no_more():
    running, most, lock = 0, 0, threading.Lock()

    def work(number):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    list(map_side_by_side(work, range(20), 3))
    assert most == 3


def test_side_by_side_stops_when_its_user_does():
    made = []
    results = map_side_by_side(
        lambda number: number, (made.append(number) or number for number in itertools.count()), 2
    )
    next(results)
    results.close()
    assert len(made) <= 2 + 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("side-by-side")]
