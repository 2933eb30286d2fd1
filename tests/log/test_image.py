"""The picture as TensorBoard gets it: a small PNG that any settings of Matplotlib can draw."""

import dataclasses
import io
import threading
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from vg_keras.log.image import flow_image
from vg_keras.profiles import Profile
from vg_keras.rules.diagnosis import Diagnosis

RED, AMBER, GREEN = (176, 0, 32), (138, 90, 0), (27, 110, 51)
COLORS = {"error": RED, "warning": AMBER, None: GREEN}


def profile(num_layers=9, num_steps=5):
    paths = tuple(f"net/layer_{i}" for i in range(num_layers))
    steps = np.arange(num_steps)
    logs = np.linspace(-8, 2, num_layers) + np.sin(steps)[:, None]
    recorded = np.ones(logs.shape, bool)
    return Profile("activation_gradient_norm", steps, paths, 10**logs, recorded)


def diagnosis(*paths, severity="error"):
    return Diagnosis("VG101", "vanishing-gradient", severity, "", paths, 0, 0, {}, ())


def drawn(flow=None, title="the title", found=None):
    return flow_image(flow or profile(), title, found)


def pixels(image):
    return np.asarray(Image.open(io.BytesIO(image.png)).convert("RGB")).astype(int)


def count(region, color):
    """The number of pixels of a color, up to the rounding of the palette."""
    return (abs(region - np.array(color)).max(2) <= 12).sum()


def names_in(picture):
    return picture[100:, :150]


def test_the_size_is_that_of_the_png():
    image = drawn()

    assert image.png.startswith(b"\x89PNG")
    assert pixels(image).shape == (image.height, image.width, 3) == (418, 798, 3)


@pytest.mark.parametrize(("num_layers", "num_steps"), [(8, 1), (9, 128), (150, 128)])
def test_a_picture_is_small(num_layers, num_steps):
    assert len(drawn(profile(num_layers, num_steps)).png) < 40_000


@pytest.mark.parametrize("severity", COLORS)
def test_the_title_has_the_color_of_the_severity(severity):
    found = None if severity is None else diagnosis("elsewhere", severity=severity)
    title = pixels(drawn(found=found))[:60]

    assert {s for s, color in COLORS.items() if count(title, color) > 300} == {severity}


def test_the_layers_of_the_diagnosis_are_marked():
    of_layer = names_in(pixels(drawn(found=diagnosis("net/layer_3"))))
    of_variable = names_in(pixels(drawn(found=diagnosis("net/layer_3/kernel"))))
    of_all = names_in(pixels(drawn(found=diagnosis(*profile().paths))))

    assert 50 < count(of_layer, RED) == count(of_variable, RED)
    assert count(of_all, RED) > 5 * count(of_layer, RED)
    assert count(names_in(pixels(drawn())), GREEN) < 20


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    before = dict(mpl.rcParams)
    drawn()

    assert dict(mpl.rcParams) == before


def test_latex_is_not_used_even_if_a_user_switched_it_on(monkeypatch):
    plain = drawn(title="hidden_1").png
    monkeypatch.setitem(mpl.rcParams, "text.usetex", True)

    assert drawn(title="hidden_1").png == plain


def test_dollar_signs_in_a_name_are_no_formula():
    flow = dataclasses.replace(profile(1), labels=(r"$\frac$",))
    drawn(flow, title=r"$\frac$")


def test_a_script_that_the_font_does_not_have_gives_no_warning():
    before = list(warnings.filters)
    drawn(dataclasses.replace(profile(1), labels=("層",)))

    assert [one for one in warnings.filters if one in before] == before


def test_two_threads_can_draw_at_once():
    flow, found = profile(), []
    threads = [threading.Thread(target=lambda: found.append(drawn(flow).png)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [drawn(flow).png] * 3
