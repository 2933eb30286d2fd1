"""Which records are written with charts: the rule by itself, and in a log."""

import pytest
from event_files import tags_by_step
from small_models import compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor, read_run
from vg_keras.log import chart_rhythm
from vg_keras.log.chart_rhythm import MAX_HISTOGRAMS, HistogramRhythm, Thinning

pytestmark = pytest.mark.usefixtures("graphs_as_traced")


def taken(num_all, number):
    thinning = Thinning(num_all)
    return [i for i in range(number) if thinning.takes()]


def test_the_first_records_all_have_charts():
    assert taken(10, 10) == list(range(10))


def test_later_records_have_charts_less_and_less_often():
    assert taken(10, 40) == [*range(10), 11, 13, 17, 21, 29, 37]


@pytest.mark.parametrize(("number", "most"), [(10_000, 580), (100_000, 750)])
def test_a_long_training_run_has_a_bounded_number_of_charts(number, most):
    assert 500 < len(taken(MAX_HISTOGRAMS, number)) <= most


def test_histograms_can_be_written_with_each_record_or_never():
    every, none = HistogramRhythm(None), HistogramRhythm(0)
    for rhythm in (every, none):
        rhythm.begin_epoch(0)
        rhythm.pass_on()

    assert (every.is_next, every.are_in_all) == (True, True)
    assert (none.is_next, none.are_in_all) == (False, False)


@pytest.mark.parametrize(
    ("histogram_freq", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_histogram_freq_counts_epochs(histogram_freq, error):
    with pytest.raises(error, match=f"histogram_freq={histogram_freq!r}"):
        GradientMonitor(None, histogram_freq=histogram_freq)


def steps_with(log_dir, kind):
    found = tags_by_step(log_dir).items()
    return [step for step, tags in found if any(tag.startswith(f"{kind}/") for tag in tags)]


@pytest.mark.parametrize(
    ("histogram_freq", "expected"),
    [(None, [0, 1, 2, 3, 4, 5, 6, 7]), (0, []), (1, [0, 2, 4, 6]), (2, [0, 4])],
)
def test_histograms_are_written_once_per_due_epoch(tmp_path, histogram_freq, expected):
    monitor = GradientMonitor(tmp_path, "batch", histogram_freq=histogram_freq)
    fit(compiled(mlp()), *regression_data(2), [monitor], epochs=4)

    assert steps_with(tmp_path, "4_log10_gradients") == expected
    assert steps_with(tmp_path, "3_log10_update_ratio") == list(range(8))
    assert len(read_run(tmp_path).latest.records) == 8


def test_a_long_log_has_fewer_charts_and_every_record(tmp_path, monkeypatch):
    monkeypatch.setattr("vg_keras.log.writer.MAX_HISTOGRAMS", 5)
    monkeypatch.setattr("vg_keras.log.writer.MAX_SCALARS", 10)
    monitor = GradientMonitor(tmp_path, "batch")
    fit(compiled(mlp()), *regression_data(20), [monitor])

    assert steps_with(tmp_path, "4_log10_gradients") == [0, 1, 2, 3, 4, 6, 10, 18]
    assert steps_with(tmp_path, "3_log10_update_ratio") == [*range(10), 11, 13, 17]
    assert [record.step for record in read_run(tmp_path).latest.records] == list(range(20))
    assert chart_rhythm.MAX_HISTOGRAMS > 5
