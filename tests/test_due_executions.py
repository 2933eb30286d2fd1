"""What a due execution left is passed on, and one that left nothing is tried again or given up."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from vg_keras import due_executions
from vg_keras.cost import CostMeter
from vg_keras.due_executions import INTERVAL_OF_WORKERS, MAX_FRUITLESS, DueExecutions
from vg_keras.schedule import STARTUP, Schedule

ALONE = tf.distribute.get_strategy()


class Receiver:
    """Receives the steps that it is told to receive."""

    def __init__(self):
        self.last, self.probed, self.num_given_up = None, [], 0

    def run_probe(self, step):
        self.probed.append(step)

    def receive(self, observer):
        return self.last

    def warn_of_nothing(self):
        self.num_given_up += 1


def workers():
    """What is looked at of a strategy with two workers."""
    cluster = tf.train.ClusterSpec({"worker": ["a:1", "b:1"]})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver
    return SimpleNamespace(cluster_resolver=resolver(cluster, "", "worker", 1))


class Executions:
    """Executions with a schedule that has begun, and a clock that moves a second per look."""

    def __init__(self, update_freq, strategy=ALONE):
        self.receiver, self.schedule = Receiver(), Schedule(update_freq)
        seconds = iter(range(10**6))
        self.meter = CostMeter(0.05, lambda: next(seconds))
        self.due = DueExecutions(self.receiver, self.schedule, self.meter)
        self.due.reset(strategy)
        self.schedule.begin(0)
        self.observer = SimpleNamespace(num_traced=0, cannot_record=False)

    def run(self, step, recorded, num_steps=1):
        """Runs an execution, and returns whether it was due."""
        if self.schedule.due(step, num_steps) is None:
            self.due.pass_over()
            return False
        self.due.begin(step, num_steps, self.observer)
        self.due.run_probe()
        for last in recorded if isinstance(recorded, list) else [recorded]:
            self.receiver.last = last
            self.due.receive(self.observer)
        return True


def test_a_step_that_left_no_record_stays_due():
    executions = Executions(4)
    due = [executions.run(step, None if step < 2 else step) for step in range(9)]

    assert due == [True, True, True, False, True, False, False, False, True]
    assert executions.receiver.num_given_up == 0


@pytest.mark.parametrize(
    ("recorded", "last"), [([3, 7], 7), ([3, None], 3), ([None, 7], 7), ([None, None], None)]
)
def test_the_last_step_of_an_execution_in_parts_is_that_of_the_last_record(recorded, last):
    executions = Executions(1)
    executions.run(0, recorded, num_steps=8)

    assert executions.due.last == last


def test_where_a_step_can_leave_no_record_only_steps_due_by_themselves_are_tried():
    executions = Executions(4)
    executions.observer.cannot_record = True
    due = [executions.run(step, None) for step in range(9)]

    assert [step for step in range(9) if due[step]] == [0, 4, 8]
    assert executions.receiver.num_given_up == 3


def test_after_too_many_executions_without_a_record_it_is_given_up_until_the_next_training():
    executions = Executions(10**6)
    due = [executions.run(step, None) for step in range(MAX_FRUITLESS + 3)]
    executions.due.reset(ALONE)
    executions.schedule.begin(MAX_FRUITLESS + 3)
    again = [executions.run(MAX_FRUITLESS + 3 + step, None) for step in range(3)]

    assert due == [True] * MAX_FRUITLESS + [False] * 3
    assert executions.receiver.num_given_up == 1
    assert again == [True] * 3


def test_the_probe_is_run_at_the_first_step_of_each_due_execution():
    executions = Executions(4)
    for step in range(0, 12, 2):
        executions.run(step, step, num_steps=2)

    assert executions.receiver.probed == [0, 4, 8]


def test_tracing_is_timed_apart():
    executions = Executions(1)
    executions.due.begin(0, 1, executions.observer)
    executions.observer.num_traced = 1
    executions.due.receive(executions.observer)
    traced = executions.meter.tracing_seconds
    executions.run(1, 1)

    assert traced == 1  # of the clock: one look before, one after
    assert executions.meter.tracing_seconds == 1


def test_several_workers_agree_on_an_interval_without_measuring():
    together, alone = Executions("auto", workers()), Executions("auto")
    for executions in (together, alone):
        executions.run(0, 0)

    assert together.schedule.interval == INTERVAL_OF_WORKERS
    assert alone.schedule.interval is None


def test_alone_the_interval_follows_the_cost_after_the_first_steps():
    executions, intervals = Executions("auto"), []
    for step in range(2 * STARTUP + 1):
        executions.run(step, step)
        intervals.append(executions.schedule.interval)

    assert set(intervals[: STARTUP - 1]) == {None}
    assert intervals[-1] is not None


@pytest.mark.parametrize(("strategy", "expected"), [(ALONE, 2), (workers(), 0)])
def test_only_a_single_worker_waits_for_its_devices(strategy, expected, monkeypatch):
    executions, waits = Executions(2, strategy), []
    monkeypatch.setattr(due_executions, "wait_for_devices", lambda: waits.append(True))
    executions.due.pause()  # while nothing is timed there is nothing to wait for
    executions.run(0, 0)
    executions.run(1, None)
    executions.due.pause()

    assert len(waits) == expected
    assert not executions.meter.is_running
