"""What a monitor gives its user."""

import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from small_models import compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor

pytestmark = pytest.mark.usefixtures("graphs_as_traced")


def trained(**how):
    monitor = GradientMonitor(None, **how)
    fit(compiled(mlp(depth=2)), *regression_data(3), [monitor])
    return monitor


def test_a_monitor_is_plotted_with_its_verdict():
    axes = Figure().add_subplot()
    returned = trained().plot(axes)

    assert returned is axes
    assert axes.get_title() == "No problem found"
    assert axes.get_ylabel() == "layer, from the input"


def test_without_axes_a_figure_is_made():
    axes = trained().plot()
    try:
        assert axes.get_figure() is pyplot.gcf()
    finally:
        pyplot.close()


def test_nothing_recorded_can_not_be_plotted():
    with pytest.raises(LookupError, match="No training run has been recorded yet"):
        GradientMonitor(None).plot()


def test_without_monitored_outputs_the_gradients_of_kernels_are_plotted():
    axes = trained(activations=False).plot(Figure().add_subplot())

    assert axes.get_yticklabels()[0].get_text() == "01_dense/kernel"


def test_a_notebook_shows_the_verdict_and_a_table():
    monitor = trained()
    shown = monitor._repr_html_()

    assert str(monitor).splitlines()[0] in shown
    assert '<table class="layers typed">' in shown


def test_before_training_a_notebook_shows_that_nothing_was_recorded():
    assert "nothing has been recorded yet" in GradientMonitor(None)._repr_html_()
