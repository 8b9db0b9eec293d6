"""Results come in order, and no more is taken than can be worked on."""

import threading
from itertools import count

import pytest

from provenance.merkle import parallel
from provenance.merkle.parallel import in_order


@pytest.fixture(params=[1, 2, 5])
def cores(request, monkeypatch):
    monkeypatch.setattr(parallel, "cores", lambda: request.param)
    return request.param


def pool_threads():
    return [thread for thread in threading.enumerate() if "ThreadPoolExecutor" in thread.name]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100])
def test_results_come_in_order(cores, size):
    assert list(in_order(lambda item: item * item, range(size))) == [n * n for n in range(size)]


def test_the_last_of_several_may_be_done_first(monkeypatch):
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    second = threading.Event()

    def work(item):
        if item == 0:
            assert second.wait(60)
        else:
            second.set()
        return item

    assert list(in_order(work, [0, 1])) == [0, 1]


def test_one_item_needs_no_thread():
    (name,) = in_order(lambda _: threading.current_thread(), [None])
    assert name is threading.current_thread()


def test_little_is_taken_ahead(cores):
    taken = []

    def items():
        for item in count():
            taken.append(item)
            yield item

    results = in_order(lambda item: item, items())
    for yielded in range(50):
        assert next(results) == yielded
        assert len(taken) <= yielded + 1 + max(2, cores + 1)
    results.close()
    assert len(taken) <= 50 + max(2, cores + 1)


def test_what_is_raised_is_raised_in_its_place(cores):
    def work(item):
        if item == 3:
            raise OSError("full")
        return item

    results = in_order(work, count())
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="full"):
        next(results)
    assert not pool_threads()


def test_what_is_raised_by_the_items_is_raised_in_its_place(cores):
    def items():
        yield from (0, 1, 2)
        raise ValueError("unreadable")

    results = in_order(lambda item: item, items())
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="unreadable"):
        next(results)
    assert not pool_threads()
    with pytest.raises(ZeroDivisionError):  # what is wrong with an item before comes first
        list(in_order(lambda item: 1 // (item - 2), items()))


def test_some_cores_are_counted(monkeypatch):
    assert parallel.cores() >= 1
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert parallel.cores() >= 1
