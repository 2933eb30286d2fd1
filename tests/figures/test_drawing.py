"""Text is drawn as it was typed, and colors suit the background."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from vg_keras.figures.drawing import (
    as_typed,
    axes_for,
    is_dark,
    legend_label,
    line_of_run,
    save,
    set_scale,
    spread,
)


def test_a_name_is_no_formula():
    with mpl.rc_context({"text.usetex": True}):
        figure = Figure()
        figure.suptitle("$x_1$")
        as_typed(figure)

    assert not figure.texts[0].get_usetex()
    assert not figure.texts[0].get_parse_math()


def test_transparent_axes_have_the_background_of_the_figure():
    with mpl.rc_context({"axes.facecolor": "none", "figure.facecolor": "black"}):
        axes = Figure().subplots()

    assert is_dark(axes)
    assert not is_dark(Figure().subplots())


def test_eight_training_runs_can_be_told_apart():
    axes, values = Figure().subplots(), np.ones(1000)
    lines = [line_of_run(number, "", axes, values) for number in range(8)]

    assert len({line["color"] for line in lines}) == 8
    assert len({line["marker"] for line in lines}) == 8
    assert len({line["markevery"][0] for line in lines}) == 8
    assert {len(line["markevery"]) for line in lines} == {10}


@pytest.mark.parametrize(
    ("number", "most", "expected"),
    [
        (0, 3, []),
        (1, 3, [0]),
        (3, 3, [0, 1, 2]),
        (10, 4, [0, 3, 6, 9]),
        (14, 11, [0, 2, 4, 6, 8, 10, 13]),
    ],
)
def test_some_of_many_are_spread_from_the_first_to_the_last(number, most, expected):
    assert spread(number, most) == expected


@pytest.mark.parametrize("axes", [5, ["x"], "axes"])
def test_axes_of_another_kind_are_refused(axes):
    with pytest.raises(TypeError, match=r"`axes` must be Matplotlib Axes\. Received: "):
        axes_for(1, axes, 1, 1)


def test_a_name_with_an_underscore_is_in_the_legend():
    axes = Figure().subplots()
    for name in ("_hidden", "shown"):
        axes.plot([1], label=legend_label(name))

    assert [text.get_text() for text in axes.legend().get_texts()] == ["\u200b_hidden", "shown"]
    assert legend_label("") is None


def test_a_script_that_the_font_does_not_have_is_saved_without_a_warning(tmp_path):
    figure = Figure()
    figure.suptitle("層")
    save(figure, tmp_path / "figure.png")

    assert (tmp_path / "figure.png").exists()


def test_values_without_a_logarithm_are_on_a_linear_axis():
    one, other = Figure().subplots(), Figure().subplots()
    set_scale(one, [np.array([0.0, np.nan])], is_fraction=False)
    set_scale(other, [np.array([0.0, 1e-3])], is_fraction=False)

    assert (one.get_yscale(), other.get_yscale()) == ("linear", "log")
