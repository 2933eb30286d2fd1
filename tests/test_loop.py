"""A watch records the due steps of a loop, and leaves every other step to itself."""

import threading
from contextlib import contextmanager

import pytest
from small_models import mlp

from vg_keras.capture.plan import Choice
from vg_keras.log.chart_rhythm import HistogramRhythm
from vg_keras.loop import Watch
from vg_keras.recording import Recording


class Receiver:
    """Receives each step that the observer has kept."""

    num_records = num_bytes = 0

    def __init__(self):
        self.events, self.histograms = [], HistogramRhythm(2)

    def open(self, strategy):
        self.events.append("open")

    def begin(self, beginning):
        self.events.append(beginning.id)

    def run_probe(self, step):
        self.events.append(f"probe {step}")

    def receive(self, observer):
        return observer.kept

    def warn_of_nothing(self):
        self.events.append("nothing")

    def close(self, cost):
        self.events.append("close")


class Observer:
    """Keeps the last of so many steps, if an execution that it watches trains any.

    Attributes:
        first: The first steps of the executions.
    """

    choice, num_traced, cannot_record, counts = Choice(), 0, False, {1: 0}

    def __init__(self, num_batches=1):
        self.num_batches, self.kept, self.first, self.is_watching = num_batches, None, [], False

    def begin_execution(self, first):
        self.first.append(first)
        self.kept = None

    @contextmanager
    def watching(self):
        self.is_watching = True
        try:
            yield
        finally:
            self.is_watching = False
        self.kept = self.first[-1] + self.num_batches - 1 if self.num_batches else None


class User:
    """Stands for the monitor that made the watch."""


class Loop:
    """A custom training loop under a watch."""

    def __init__(self, update_freq=1, num_batches=1):
        self.receiver, self.observer = Receiver(), Observer(num_batches)
        self.recording = Recording(update_freq, 0.05, self.receiver)
        self.watch = Watch(
            User(), mlp(), [], self.observer, self.recording, self._introduce, self._tell
        )
        self.num_told = 0

    def _introduce(self):
        self.receiver.events.append("introduced")

    def _tell(self):
        self.num_told += 1

    def run(self, steps):
        """Runs some steps, and returns which of them were watched."""
        watched = []
        for _ in range(steps):
            with self.watch.step():
                watched.append(self.observer.is_watching)
        return watched


def test_only_the_due_steps_are_watched():
    loop = Loop(update_freq=3)
    with loop.watch:
        watched = loop.run(7)

    assert watched == [True, False, False, True, False, False, True]
    assert loop.num_told == 8  # after each step, and at the end
    assert loop.observer.first == [0, 3, 6]
    assert loop.recording.count.next == 7


def test_the_log_is_opened_introduced_and_closed_around_the_loop():
    loop = Loop(update_freq=2)
    with loop.watch as watch:
        during = watch.is_open
        loop.run(2)
    (run_id,) = loop.receiver.events[2:3]

    assert during
    assert not watch.is_open
    assert loop.receiver.events == ["open", "introduced", run_id, "probe 0", "close"]


def test_a_step_outside_of_the_watch_is_an_error():
    loop = Loop()
    with pytest.raises(RuntimeError, match="Enter the watch first"):
        loop.run(1)
    with loop.watch:
        loop.run(1)
    with pytest.raises(RuntimeError, match="Enter the watch first"):
        loop.run(1)

    assert loop.recording.count.next == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize(("update_freq", "expected"), [(1, [0, 1, 1]), (2, [0, 2])])
def test_a_step_that_fails_does_not_count_and_stays_due(update_freq, expected, error):
    loop = Loop(update_freq)
    with loop.watch:
        loop.run(1)
        with pytest.raises(error), loop.watch.step():
            raise error
        loop.run(2)

    assert loop.observer.first[: len(expected)] == expected
    assert loop.recording.count.next == 3


def test_after_an_error_the_log_is_closed_and_the_loop_can_go_on():
    loop = Loop()
    with pytest.raises(KeyError), loop.watch:
        raise KeyError
    with loop.watch:
        watched = loop.run(1)

    assert loop.receiver.events.count("close") == 2
    assert watched == [True]


def test_a_function_that_trains_on_many_batches_counts_them_all():
    loop = Loop(update_freq=5, num_batches=3)
    with loop.watch:
        watched = loop.run(5)

    assert loop.observer.first == [0, 3, 9]  # the multiples of 5 are in steps 3 to 5 and 9 to 11
    assert watched == [True, True, False, True, False]
    assert loop.recording.count.next == 15


def test_a_step_in_which_nothing_is_applied_stays_due():
    loop = Loop(update_freq=100, num_batches=0)
    with loop.watch:
        first = loop.run(2)
        loop.observer.num_batches = 1
        then = loop.run(2)

    assert (first, then) == ([True, True], [True, False])


def test_the_first_step_of_each_epoch_is_due_if_asked_for():
    loop, has_histograms = Loop(update_freq="epoch"), []
    with loop.watch as watch:
        watched = loop.run(2)
        for _ in range(2):
            loop.receiver.histograms.pass_on()
            watch.begin_epoch()
            has_histograms.append(loop.receiver.histograms.is_next)
            watched += loop.run(2)

    assert watched == [True, False] * 3
    assert has_histograms == [False, True]  # in every second epoch


def test_a_thread_that_lost_its_model_to_another_one_is_told():
    loop = Loop()
    other = Watch(
        User(), loop.watch.model, [], Observer(), loop.recording, lambda: None, lambda: None
    )
    with loop.watch:
        loop.run(1)
        thread = threading.Thread(target=other.__enter__)
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="Another thread"):
            loop.run(1)

    assert loop.observer.first == [0]


def test_a_watch_that_is_entered_again_goes_on_with_the_same_training_run():
    loop, watched = Loop(update_freq=3), []
    for _ in range(2):
        with loop.watch:
            watched += loop.run(2)
    ids = [event for event in loop.receiver.events if event[:1].isdigit()]

    assert watched == [True, False, False, True]
    assert len(ids) == 2
    assert ids[0] == ids[1]
