"""A receiver passes records on to their logs, and an error there is one warning."""

import copy
import warnings
from types import SimpleNamespace

import pytest
import tensorflow as tf
from handmade_logs import record_of
from scripted_records import MODEL, SETTINGS

from vg_keras import read_run
from vg_keras.alarm import Alarm
from vg_keras.log.chart_rhythm import HistogramRhythm
from vg_keras.probe import Probe
from vg_keras.receiver import RECORDS_THAT_SHOW_ALL, Receiver
from vg_keras.rules import Examination
from vg_keras.training_log import Beginning

BEGINNING = Beginning("20261126-120000-abcd", 1.0, SETTINGS)
PROBE = Probe(tf.ones([1, 1]), tf.ones([1, 1]))


class Observer:
    """An observer that has seen the steps it is told to have seen.

    Attributes:
        asked: For which of the records so far the absences were asked as final ones.
    """

    model_name = "small"
    without_gradient = ()
    has_seen_no_gradient = False

    def __init__(self, was_traced=True):
        self.was_traced = was_traced
        self.model = MODEL
        self.steps, self.failures, self.asked = [], [], []

    def with_steps(self, *steps):
        self.steps = steps
        return self

    def read(self):
        return [[SimpleNamespace(step=step)] for step in self.steps]

    def decoder(self):
        return self

    def unit_spreads(self):
        return {}

    def record(self, replicas, without_gradient, wall_time):
        return record_of(replicas[0].step)

    def absences(self, is_final):
        self.asked.append(is_final)
        return ["something is missing"] if is_final else []


def receiving(log_dir=None, probe=None):
    """A receiver of a training run that has begun."""
    rhythm = HistogramRhythm(None)
    receiver = Receiver(log_dir and str(log_dir), (), probe, rhythm, Examination, Alarm(None))
    receiver.open(tf.distribute.get_strategy())
    receiver.begin(BEGINNING)
    return receiver


def steps_in(log):
    return [record.step for record in log.records]


def test_records_reach_memory_and_disk_in_order(tmp_path):
    receiver, observer = receiving(tmp_path), Observer(was_traced=False)
    last = [receiver.receive(observer.with_steps(*steps)) for steps in ((3, 4), (), (8,))]
    with pytest.warns(UserWarning, match="something is missing"):
        receiver.close()

    assert last == [4, None, 8]
    assert receiver.num_records == 3
    assert steps_in(receiver.log) == [3, 4, 8]
    assert [record.step for record in read_run(tmp_path).latest.records] == [3, 4, 8]
    assert read_run(tmp_path).latest.id == BEGINNING.id


def fail(*args):
    raise OSError("the monitor's own")


def test_an_observer_that_cannot_be_read_is_one_warning():
    receiver, observer = receiving(), Observer()
    observer.read = fail
    with pytest.warns(UserWarning, match="the monitor's own") as caught:
        found = [receiver.receive(observer) for _ in range(2)]
    receiver.close()  # says nothing more of it

    assert found == [None, None]
    assert len(caught) == 1


def test_a_record_that_cannot_be_made_is_one_warning():
    receiver, observer = receiving(), Observer().with_steps(0)
    observer.record = fail
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            receiver.receive(observer)
        receiver.wait()

    assert len(caught) == 1
    assert "the monitor's own" in str(caught[0].message)
    assert steps_in(receiver.log) == []


@pytest.mark.parametrize("was_traced", [True, False])
def test_what_no_record_has_shown_is_missing_after_enough_of_them(was_traced):
    receiver, observer = receiving(), Observer(was_traced)
    enough = RECORDS_THAT_SHOW_ALL[was_traced]
    for step in range(enough - 1):
        receiver.receive(observer.with_steps(step))
    before = list(observer.asked)
    with pytest.warns(UserWarning, match="something is missing"):
        receiver.receive(observer.with_steps(enough))

    assert before == [False] * (enough - 1)
    assert observer.asked[-1] is True


@pytest.mark.parametrize(
    ("has_seen_no_gradient", "failures", "fragment"),
    [
        (True, [], "no gradient of a monitored variable"),
        (False, [], "no optimizer was applied"),
        (False, ["a failure"], "a failure"),
    ],
)
def test_a_training_run_without_a_record_ends_with_one_reason(
    has_seen_no_gradient, failures, fragment
):
    receiver, observer = receiving(), Observer()
    observer.has_seen_no_gradient, observer.failures = has_seen_no_gradient, failures
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        receiver.receive(observer)
        receiver.close()

    assert len(caught) == 1
    assert fragment in str(caught[0].message)


def test_where_no_step_was_due_nothing_is_said():
    receiver = receiving()
    receiver.close()

    assert receiver.num_records == 0
    assert receiver.num_bytes == 0


class ProbePass:
    """A pass that leaves a record of the step, or fails."""

    choice = SimpleNamespace(quantities=("gradients",))

    def __init__(self):
        self.observer, self.error = Observer(), None

    def run(self, step):
        if self.error is not None:
            raise self.error
        self.observer.with_steps(step)


def test_the_probe_has_a_record_of_each_step_that_has_one():
    receiver, observer = receiving(probe=PROBE), Observer()
    receiver.probe_by(ProbePass())
    receiver.begin(BEGINNING)
    for step, recorded in ((3, (3,)), (4, ()), (5, (5,))):
        receiver.run_probe(step)
        receiver.receive(observer.with_steps(*recorded))
    receiver.wait()

    assert steps_in(receiver.log) == steps_in(receiver.probe_log) == [3, 5]
    assert receiver.probe_log.run.latest.settings.quantities == ("gradients",)


def test_a_probe_that_fails_at_first_is_an_error_and_later_a_warning():
    receiver, probe_pass = receiving(probe=PROBE), ProbePass()
    receiver.probe_by(probe_pass)
    receiver.begin(BEGINNING)
    probe_pass.error = KeyError("odd shape")
    with pytest.raises(ValueError, match=r"`probe` must be a batch .*odd shape") as caught:
        receiver.run_probe(0)
    probe_pass.error = None
    receiver.run_probe(0)
    receiver.receive(Observer().with_steps(0))
    probe_pass.error = KeyError("odd shape")
    with pytest.warns(UserWarning, match="odd shape"):
        receiver.run_probe(1)

    assert isinstance(caught.value.__cause__, KeyError)
    assert not receiver.is_probing


def test_a_copy_keeps_the_records_and_writes_elsewhere(tmp_path):
    receiver = receiving(tmp_path)
    receiver.receive(Observer().with_steps(0))
    twin = copy.deepcopy(receiver)
    twin.open(tf.distribute.get_strategy())
    twin.begin(BEGINNING)
    twin.receive(Observer().with_steps(1))
    twin.wait()

    assert steps_in(twin.log) == [0, 1]
    assert steps_in(receiver.log) == [0]
    assert twin.log_dir == str(tmp_path / "copy_1")
    assert [r.step for r in read_run(tmp_path / "copy_1").latest.records] == [1]


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="`log_dir` must be a directory"):
        receiving(tmp_path / "file")
