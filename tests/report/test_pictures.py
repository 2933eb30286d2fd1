"""Each picture has a light and a dark version, and shows the training runs that have records."""

import base64
import dataclasses
import io

import numpy as np
import pytest
from handmade_logs import write_log
from logged_runs import record, training, write_two
from PIL import Image
from scripted_records import layer, model_of, sketch_of

from vg_keras.logged_runs import find_all, read
from vg_keras.record import Record
from vg_keras.report.pictures import pictures


def pixels(address):
    kind, data = address.split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


TEXT_ON_LIGHT, TEXT_ON_DARK = (31, 35, 40, 255), (230, 232, 235, 255)


def has(image, color):
    return (image == color).all(axis=2).any()


@pytest.fixture
def two(tmp_path):
    write_two(tmp_path)
    return read(find_all([str(tmp_path)]))


def test_there_are_pictures_over_steps_over_layers_and_of_the_loss(two):
    titles = [picture.title for picture in pictures(two)]

    assert titles == [
        "Gradient of every layer over the training run",
        "Every layer at the last record",
        "Training loss",
    ]


def test_text_is_dark_on_a_light_page_and_light_on_a_dark_one(two):
    for picture in pictures(two):
        light, dark = pixels(picture.light), pixels(picture.dark)

        assert light.shape == dark.shape
        assert light.shape[1] == pytest.approx(1512, abs=2)
        assert light[0, 0, 3] == dark[0, 0, 3] == 0  # transparent
        text = light[..., 3] == 255, dark[..., 3] == 255
        darkest = [
            image[where][:, :3].sum(1).min()
            for image, where in zip((light,), text[:1], strict=True)
        ]
        brightest = dark[text[1]][:, :3].sum(1).max()
        assert darkest[0] < 150
        assert brightest > 600


def test_without_outputs_the_gradients_of_kernels_are_shown(tmp_path):
    gradients = {"a/kernel": sketch_of([1.0])}
    described = training(model_of(layer("a", "kernel")))
    write_log(tmp_path / "gradients", [Record(0, 0.0, gradients)], described)
    flow, by_depth = pictures(read(find_all([str(tmp_path)])))

    assert "of each kernel" in flow.explanation
    assert by_depth.title == "Every layer at the last record"


def test_a_training_run_that_lacks_something_is_named(tmp_path, two):
    lacking = dataclasses.replace(
        record(0, 1, 2, 3), activation_gradients={}, activations={}, dead_units={}, loss=None
    )
    write_log(tmp_path / "third" / "gradients", [lacking], training())
    flow, by_depth, loss = pictures(read(find_all([str(tmp_path)])))

    assert "of each kernel" in flow.explanation  # which all of them recorded
    assert "Not recorded" not in flow.explanation
    assert "Activation gradients, RMS: not recorded in third." in by_depth.explanation
    assert loss.explanation.endswith("including regularization. Not recorded in third.")
    assert "A point is missing where a value is zero, not finite, or not recorded." in (
        by_depth.explanation
    )


def test_many_training_runs_and_layers_fit(tmp_path):
    model = model_of(*(layer(f"l{i}", "kernel", output_shape=(None, 3)) for i in range(120)))
    records = [record(step, *[1.0] * 120, model=model) for step in range(3)]
    for number in range(3):
        write_log(tmp_path / str(number) / "gradients", records, training(model, id=f"r{number}"))
    flow, _, _ = pictures(read(find_all([str(tmp_path)])))

    assert pixels(flow.light).shape[1] == pytest.approx(1512, abs=2)


def test_without_records_there_is_nothing_to_see(tmp_path):
    write_log(tmp_path / "gradients", [], training())

    assert pictures(read(find_all([str(tmp_path)]))) == []
