"""The cost of recording and how often a budget allows it, with a clock set by the test."""

import copy
import itertools
import math

import keras
import numpy as np
import pytest
from small_models import compiled, fit, mlp, regression_data

from vg_keras import Cost, GradientMonitor, read_run
from vg_keras.cost import CostMeter
from vg_keras.schedule import Schedule

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]


class Training:
    """A fake training run with given step times, on its own clock."""

    def __init__(self, plain=1.0, extra=3.0, budget=0.01, tracing=50.0):
        self.now = 0.0
        self.plain, self.extra, self.tracing = plain, extra, tracing
        self.meter = CostMeter(budget, lambda: self.now)
        self.schedule = Schedule("auto")
        self.steps = []
        self._is_first_recorded = self._is_first_plain = True

    def run(self, num_steps):
        """Runs that many steps the way the callback does, and returns which were recorded."""
        begin = self.steps[-1] + 1 if self.steps else 0
        self.schedule.begin_or_resume(begin)
        recorded = []
        for step in range(begin, begin + num_steps):
            if self.schedule.due(step, 1) is None:
                self.meter.run()
                self.now += self.plain + (self.tracing if self._is_first_plain else 0)
                self._is_first_plain = False
            else:
                self.meter.begin_record()
                self.now += self.plain + self.extra
                self.now += self.tracing if self._is_first_recorded else 0
                self.meter.end_record(0.0, self._is_first_recorded)
                self._is_first_recorded = False
                if not self.schedule.is_starting(step + 1):
                    self.schedule.interval = self.meter.interval(self.schedule.interval)
                self.schedule.settle(step, step + 1)
                recorded.append(step)
        self.meter.pause()
        self.steps = [begin + num_steps - 1]
        return recorded


FIRST = [0, 1, 2, 5, 10, 20, 50, 100]


@pytest.mark.parametrize(
    ("extra", "budget", "interval"),
    [
        (3.0, 0.01, 500),
        (0.9, 0.01, 100),
        (3.0, 0.1, 50),
        (3.0, 0.001, 5000),
        (0.015, 0.01, 2),
        (0.0001, 0.01, 1),
    ],
)
def test_the_interval_is_the_shortest_listed_one_within_the_budget(extra, budget, interval):
    training = Training(extra=extra, budget=budget)
    recorded = training.run(200)

    assert recorded[: len(FIRST)] == FIRST
    assert training.schedule.interval == interval


def test_gaps_between_records_grow_until_they_reach_the_interval():
    assert Training(extra=3.0).run(3000) == [*FIRST, 200, 500, 1000, 1500, 2000, 2500]


def test_a_short_interval_does_not_change_the_first_hundred_steps():
    assert Training(extra=0.19).run(180) == [*FIRST, 120, 140, 160]


def test_a_training_run_of_thirty_steps_has_several_records():
    assert Training().run(30) == [0, 1, 2, 5, 10, 20]


def test_the_first_steps_of_a_resumed_run_are_counted_from_its_own_start():
    schedule = Schedule("auto")
    schedule.begin(1007)

    assert [s for s in range(1007, 1120) if schedule.due(s, 1) is not None] == [
        1007 + n for n in FIRST
    ]


@pytest.mark.parametrize("budget", [0.001, 0.01, 0.1])
def test_a_long_training_run_stays_within_the_budget(budget):
    training = Training(extra=1.8, budget=budget)
    training.run(101)
    before = training.now
    recorded = training.run(100_000)
    fraction = 1.8 * len(recorded) / (training.now - before)

    assert budget / 3 < fraction <= budget


def test_the_fraction_is_recording_time_over_total_time_excluding_tracing():
    training = Training(extra=3.0)
    num_records = len(training.run(1000)) - 1  # without the one that was traced
    extra = 3.0 * num_records

    assert training.meter.fraction == pytest.approx(extra / (1000 + extra), rel=0.01)
    assert training.meter.tracing_seconds == pytest.approx(54.0)


def test_one_slow_step_does_not_change_the_interval():
    training = Training(extra=3.0)
    training.run(1000)
    training.extra = 300.0
    training.run(1)  # step 1000
    training.extra = 3.0
    training.run(3000)

    assert training.schedule.interval == 500


@pytest.mark.parametrize("seed", range(5))
def test_noise_does_not_change_the_interval(seed):
    random = np.random.default_rng(seed)
    training = Training(extra=4.0)  # needs 400
    intervals = set()
    for step in range(20_000):
        training.plain = random.lognormal(0, 0.3)
        training.extra = 4.0 * random.lognormal(0, 0.2)
        training.run(1)
        if step > 100:
            intervals.add(training.schedule.interval)

    assert intervals == {500}


def test_the_interval_follows_lasting_changes():
    training = Training(extra=3.0)
    training.run(1000)
    training.extra = 12.0
    training.run(20_000)
    longer = training.schedule.interval
    training.extra = 0.5
    training.run(40_000)

    assert (longer, training.schedule.interval) == (2000, 100)  # no margin at 50


def test_time_between_epochs_is_not_training_time():
    training = Training(extra=3.0)
    for _ in range(20):
        training.run(100)
        training.now += 10_000  # validation

    assert training.schedule.interval == 500


def test_time_spent_in_another_thread_counts():
    meter = CostMeter(0.01, itertools.count().__next__)
    for _ in range(4):
        meter.begin_record()
        meter.end_record(0.0, was_traced=False)
        meter.note_elsewhere(5.0)
        meter.run()
        meter.run()
        meter.pause()

    assert meter.relative_cost >= 5.0 / 1.0


def test_the_cost_is_unknown_before_any_measurement():
    meter = CostMeter(0.01)

    assert math.isnan(meter.relative_cost)
    assert math.isnan(meter.fraction)
    assert meter.interval(None) is None
    assert meter.interval(50) == 50


def test_a_cost_prints_as_a_sentence():
    assert str(Cost(0.0081, 1.26, 1200, 3_400_000, 500)) == (
        "1,200 records, one every 500 steps, 0.81% of the training time, 1.3 s for tracing, 3.4 MB"
    )
    assert str(Cost(math.nan, 0.0, 1, 0, None)) == (
        "1 record, an unknown fraction of the training time, 0.0 s for tracing, 0.0 MB"
    )


def test_the_default_records_the_first_steps_and_reports_their_cost(tmp_path):
    monitor = GradientMonitor(tmp_path)
    fit(compiled(mlp()), *regression_data(30), [monitor], epochs=2)
    cost = monitor.cost

    assert [record.step for record in monitor.records] == [0, 1, 2, 5, 10, 20, 50]
    assert cost.num_records == 7
    assert 0 < cost.fraction < 1
    assert cost.tracing_seconds > 0
    assert cost.interval is None
    (file,) = (tmp_path / "gradients").glob("*tfevents*")
    assert file.stat().st_size == cost.num_bytes
    of_run = monitor.run.latest.cost
    # The event that holds it, and the verdict after it with a picture of 8 to 18 kB.
    assert 0 < cost.num_bytes - of_run.num_bytes < 25_000


def test_the_cost_is_written_to_the_log(tmp_path):
    monitor = GradientMonitor(tmp_path)
    fit(compiled(mlp()), *regression_data(30), [monitor])
    found, cost = read_run(tmp_path).latest.cost, monitor.cost

    assert (found.num_records, found.tracing_seconds) == (cost.num_records, cost.tracing_seconds)
    assert found.fraction == pytest.approx(cost.fraction)


def test_another_model_resets_the_cost():
    monitor = GradientMonitor(None)
    fit(compiled(mlp()), *regression_data(5), [monitor])
    fit(compiled(mlp()), *regression_data(2), [monitor])

    assert monitor.cost.num_records == 2


def test_a_copy_measures_its_own_cost():
    monitor = GradientMonitor(None)
    fit(compiled(mlp()), *regression_data(6), [monitor])
    other = copy.deepcopy(monitor)
    fit(compiled(mlp()), *regression_data(3), [other])

    assert (monitor.cost.num_records, other.cost.num_records) == (4, 3)


@pytest.mark.parametrize("budget", [0, -1, 1.5, math.nan, True, "1 %", None])
def test_a_budget_must_be_a_fraction(budget):
    with pytest.raises((TypeError, ValueError), match="`budget` must be a fraction") as caught:
        GradientMonitor(None, budget=budget)

    assert f"Received: budget={budget!r}." in str(caught.value)


def test_an_execution_has_at_most_one_record():
    keras.utils.set_random_seed(0)
    monitor = GradientMonitor(None)
    fit(compiled(mlp(), steps_per_execution=4), *regression_data(28), [monitor], epochs=4)

    assert [record.step for record in monitor.records] == [0, 5, 10, 20, 50, 100]
