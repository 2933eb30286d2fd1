"""Text is drawn as it was typed, and colors suit the background."""

import matplotlib as mpl
from matplotlib.figure import Figure

from vg_keras.figures.drawing import as_typed, is_dark, legend_label, line_of_run


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
    axes = Figure().subplots()
    lines = [line_of_run(number, axes) for number in range(8)]

    assert len({line["color"] for line in lines}) == 8
    assert len({line["marker"] for line in lines}) == 8


def test_a_name_with_an_underscore_is_in_the_legend():
    axes = Figure().subplots()
    for name in ("_hidden", "shown"):
        axes.plot([1], label=legend_label(name))

    assert [text.get_text() for text in axes.legend().get_texts()] == ["\u200b_hidden", "shown"]
    assert legend_label("") is None
