"""The tab in a real browser, on a real TensorBoard that is installed without TensorFlow.

The log is that of the demo, with a healthy and a sick run; others are written by hand. Needs
Chromium and Playwright's Python package, and skips without them.
"""

import contextlib
import dataclasses
import json
import math
import os
import re
import subprocess
import urllib.parse
from pathlib import Path

import matplotlib as mpl
import pytest
from flow_logs import RECORDS, VERDICT, record_at, training, write, write_with_verdict
from handmade_logs import write_log

from experiments.__main__ import main
from vg_keras import read_run

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")

HOSTILE = '<img src=x onerror="window.hacked=1">'

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("browser")]


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A log directory: the demo's two runs, and others written by hand."""
    directory = tmp_path_factory.mktemp("tab")
    places = [f"--log-dir={directory}", f"--output={directory / 'output'}"]
    demo = ["sigmoid_vs_relu", "--limit=512", "--epochs=2", "--data=subset", "--jobs=1", "--quiet"]
    assert main([*demo, *places]) == 0
    write_with_verdict(directory / "states" / "gradients").close()
    write(directory / "first" / "gradients", number=2)
    other = ("a", "b", "c")
    write(directory / "second" / "gradients", [record_at(0, [1, 1, 1], other)], 3, other)
    return directory


@contextlib.contextmanager
def serve(python, log_dir, *options):
    """Starts TensorBoard, and yields its address."""
    command = [python, "-I", "-m", "tensorboard.main", "--logdir", str(log_dir), "--port=0"]
    process = subprocess.Popen(
        [*command, *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r" at (http://localhost:\d+)/", line):
                yield found[1]
                return
        pytest.fail("".join(said))
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


@pytest.fixture(scope="module")
def server(without_tensorflow, logs):
    with serve(without_tensorflow, logs, "--reload_interval=1") as address:
        yield address


class Tab:
    """The tab of a TensorBoard, opened in a browser.

    Args:
        browser: The browser.
        address: The address of TensorBoard.
        runs: The runs to show, by name; those that the tab chooses by default.
        state: More of the state in the address.
    """

    def __init__(self, browser, address, runs=(), scheme="light", **state):
        self.page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
        self.page.set_default_timeout(20_000)
        self.problems, self.requested = [], []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        self.page.on("request", lambda request: self.requested.append(request.url))
        if runs:
            known = json.loads(self.page.request.get(f"{address}/data/plugin/vg_keras/runs").text())
            keys = {run["run"]: run["key"] for run in known["runs"]}
            state["runs"] = json.dumps([keys[run] for run in runs])
        parameters = {f"p.vg_keras.{name}": str(value) for name, value in state.items()}
        query = urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)
        self.page.goto(f"{address}/#vg_keras&{query}")
        self.frame = self.page.frame_locator("iframe")
        self.frame.locator(".map canvas, .message:not(:empty)").first.wait_for()

    def text(self, selector, number=0):
        return self.frame.locator(selector).nth(number).inner_text()

    def wait_for(self, selector, text, number=0, seconds=20):
        """Waits until an element has a text, a string or a pattern."""
        expect = sync_api.expect(self.frame.locator(selector).nth(number))
        expect.to_contain_text(text, timeout=1000 * seconds)

    def plot(self, number=0, kind=".map"):
        """Where a chart is plotted, inside its axes."""
        over = self.frame.locator(f"{kind} .u-over").nth(number)
        over.wait_for()
        return over.bounding_box()

    def center_of(self, row, column, rows, columns, number=0):
        box = self.plot(number)
        return (
            box["x"] + box["width"] * (column + 0.5) / columns,
            box["y"] + box["height"] * (row + 0.5) / rows,
        )

    def hover(self, *cell, **how):
        self.page.mouse.move(*self.center_of(*cell, **how))

    def color_of(self, row, column, rows, columns):
        """The color `[r, g, b]` of the pixel in the middle of a cell, with its opacity."""
        canvas = self.frame.locator(".map canvas").first
        x, y = self.center_of(row, column, rows, columns)
        box = canvas.bounding_box()
        return canvas.evaluate(
            """(canvas, [x, y, width]) => {
                const scale = canvas.width / width;
                const pixel = canvas.getContext('2d').getImageData(x * scale, y * scale, 1, 1);
                return [...pixel.data];
            }""",
            [x - box["x"], y - box["y"], box["width"]],
        )

    def close(self):
        self.page.close()


@pytest.fixture
def open_tab(browser, server):
    """Returns a function that opens the tab, and checks at the end that nothing went wrong."""
    opened = []

    def open_tab(*runs, address=server, **how):
        opened.append(Tab(browser, address, runs, **how))
        return opened[-1]

    yield open_tab
    for tab in opened:
        problems, requested = tab.problems, tab.requested
        tab.close()
        assert problems == []
        assert all(url.startswith(("http://localhost:", "data:", "blob:")) for url in requested)


def demo_runs(logs):
    """The names of the demo's runs: ReLU and sigmoid."""
    found = sorted(path.parent for path in logs.glob("sigmoid_vs_relu/*/*/gradients/*"))
    return [path.relative_to(logs).as_posix() for path in found]


def test_the_demo_shows_the_vanishing_gradient_beside_the_healthy_run(open_tab, logs):
    tab = open_tab(*demo_runs(logs))
    tab.wait_for("article .readout", "hidden_1", 1)

    assert [tab.text("article h2", i).split()[0] for i in (0, 1)] == ["relu", "sigmoid"]
    assert tab.text("article .verdict").startswith("✓ No problem found in")
    assert "VG101 vanishing-gradient since step 0" in tab.text("article .verdict", 1)
    assert "theory before step 0: a factor of 0.24 per layer for sigmoid" in tab.text(".notes")


def test_the_numbers_under_the_pointer_are_those_of_the_records(open_tab, logs):
    runs = demo_runs(logs)
    tab = open_tab(*runs)
    trainings = [read_run(logs / run).latest for run in runs]
    number = len(trainings[0].records)
    for row, column in ((0, 0), (3, number // 2), (7, number - 1)):
        tab.hover(row, column, 9, number)
        for run, of in enumerate(trainings):
            record = of.records[column]
            value = record.activation_gradients[f"hidden_{row + 1}"].rms
            step = f"{row + 1:02}_hidden_{row + 1}, step {record.step:,}: "
            tab.wait_for(".readout", re.compile(re.escape(step)), run)
            shown = float(tab.text(".readout", run).removeprefix(step).split()[0])
            assert shown == pytest.approx(value, rel=0.006)


def test_colors_are_those_of_the_numbers(open_tab):
    tab = open_tab("states/gradients")
    viridis = mpl.colormaps["viridis"]
    low, high = -7, 0
    for row, column, value in ((0, 0, 1e-4), (0, 1, 1e-7), (1, 1, 1e-3), (2, 0, 1.0), (2, 3, 0.25)):
        place = (math.log10(value) - low) / (high - low)
        expected = [int(part) for part in viridis(place, bytes=True)]
        assert tab.color_of(row, column, 3, 4) == pytest.approx(expected, abs=4)
    assert tab.color_of(0, 2, 3, 4) == [255, 255, 255, 255]  # exactly zero
    assert tab.color_of(1, 2, 3, 4)[3] == 0  # not recorded
    assert tab.color_of(0, 3, 3, 4) == [255, 45, 45, 255]  # not finite


def test_what_is_no_number_is_said_in_words(open_tab):
    tab = open_tab("states/gradients")
    for row, column, text in (
        (0, 2, "exactly 0"),
        (1, 2, "not recorded"),
        (0, 3, "NaN or infinite"),
    ):
        tab.hover(row, column, 3, 4)
        tab.wait_for(".readout", text)


def test_a_click_on_a_diagnosis_goes_to_its_layer_and_step(open_tab):
    tab = open_tab("states/gradients")
    tab.wait_for(".step", "step 20")
    tab.frame.locator(".verdict button").nth(1).click()
    tab.wait_for(".readout", "02_hidden_2, step 0: ")
    tab.frame.locator(".verdict button").nth(0).click()
    tab.wait_for(".readout", "01_hidden_1, step 5: ")
    tab.frame.locator(".verdict summary").first.click()

    assert "Try: Use ReLU." in tab.text(".verdict")
    assert "since step 5" in tab.text(".verdict button", 0)
    assert "steps 0 to 5" in tab.text(".verdict button", 1)  # it is over


def test_the_keyboard_moves_the_pointer(open_tab):
    tab = open_tab("states/gradients")
    tab.wait_for(".readout", "01_hidden_1, step 20")
    tab.frame.locator(".map").first.focus()
    for key, text in (
        ("ArrowDown", "02_hidden_2, step 20: "),
        ("ArrowLeft", "02_hidden_2, step 10: "),
        ("Home", "02_hidden_2, step 0: "),
        ("ArrowRight", "02_hidden_2, step 5: "),
        ("ArrowUp", "01_hidden_1, step 5: "),
        ("ArrowUp", "01_hidden_1, step 5: "),
        ("End", "01_hidden_1, step 20: "),
    ):
        tab.page.keyboard.press(key)
        tab.wait_for(".readout", text)


def test_the_steps_can_be_played(open_tab):
    tab = open_tab("states/gradients")
    tab.wait_for(".step", "step 20")
    tab.frame.get_by_role("button", name="Play through the steps").click()
    tab.wait_for(".step", "step 20")
    tab.frame.get_by_role("button", name="Play through the steps").wait_for()  # at the end again
    tab.frame.get_by_role("slider").fill("1")

    tab.wait_for(".readout", "step 5: ")


def test_a_view_can_be_shared_by_its_address(open_tab, browser, server):
    tab = open_tab("states/gradients")
    tab.frame.get_by_label("Quantity").select_option("gradients")
    tab.wait_for(".readout", "01_hidden_1/kernel")
    tab.hover(1, 1, 3, 4)
    tab.wait_for(".readout", "02_hidden_2/kernel, step 5")
    tab.page.wait_for_function("location.hash.includes('step=5')")
    other = browser.new_page()
    other.goto(tab.page.url)
    frame = other.frame_locator("iframe")
    sync_api.expect(frame.locator(".readout")).to_contain_text("02_hidden_2/kernel, step 5")

    assert frame.get_by_label("Quantity").input_value() == "gradients"
    assert frame.locator("article").count() == 1
    other.close()


def test_an_address_that_is_edited_is_followed(open_tab):
    tab = open_tab("states/gradients", quantity="activation_gradients", step=5)
    tab.wait_for(".readout", "01_hidden_1, step 5: ")
    tab.page.evaluate(
        "location.hash = location.hash.replace('activation_gradients', 'gradients')"
        ".replace('step=5', 'step=10')"
    )

    tab.wait_for(".readout", "01_hidden_1/kernel, step 10: ")
    assert tab.frame.get_by_label("Quantity").input_value() == "gradients"


def test_a_log_without_outputs_opens_on_a_quantity_that_it_has(open_tab, logs):
    described = training(4)
    without = [dataclasses.replace(one, output_shape=None) for one in described.model.layers]
    described = dataclasses.replace(
        described, model=dataclasses.replace(described.model, layers=tuple(without))
    )
    records = [dataclasses.replace(record, activation_gradients={}) for record in RECORDS]
    write_log(logs / "kernels" / "gradients", records, described)
    tab = open_tab("kernels/gradients")
    tab.wait_for(".readout", "01_hidden_1/kernel, step 20: ")

    assert tab.frame.get_by_label("Quantity").input_value() == "gradients"


def test_in_a_narrow_window_the_profile_is_below_the_maps(open_tab):
    tab = open_tab("states/gradients")
    tab.page.set_viewport_size({"width": 600, "height": 900})
    tab.frame.locator("main.narrow").wait_for()
    flow, profile = tab.plot(), tab.plot(kind="aside")

    assert profile["y"] > flow["y"] + flow["height"]
    assert flow["width"] > 300
    assert flow["x"] + flow["width"] <= 600


def test_names_of_layers_keep_their_distance_beside_a_deeper_model(open_tab):
    tab = open_tab("states/gradients")
    depths = tab.frame.locator("body").evaluate(
        """async () => {
            const {layersSpread} = await import('./format.js');
            const named = (depths, num) =>
                layersSpread({layers: depths.map((depth) => ({depth}))}, num, 3);
            return [[0, 1, 2], [0, 1, 2, 150, 299]].map(
                (of, i) => named(of, [3, 300][i]).map(({depth}) => depth));
        }"""
    )

    assert depths == [[0, 1, 2], [0, 150, 299]]


def test_dragging_zooms_into_the_steps(open_tab):
    tab = open_tab("states/gradients")
    tab.page.mouse.move(*tab.center_of(1, 1, 3, 4))
    tab.page.mouse.down()
    tab.page.mouse.move(*tab.center_of(1, 2, 3, 4), steps=3)
    tab.page.mouse.up()
    button = tab.frame.get_by_role("button", name="All steps")
    button.wait_for()
    slider = tab.frame.get_by_role("slider")
    sync_api.expect(slider).to_have_attribute("max", "1")
    button.click()

    sync_api.expect(slider).to_have_attribute("max", "3")


def test_runs_can_be_added_and_removed(open_tab):
    tab = open_tab("states/gradients")
    tab.frame.locator("details.runs summary").click()
    tab.frame.locator("details.runs label", has_text="first").click()
    tab.frame.locator("article").nth(1).wait_for()
    tab.frame.locator("details.runs label", has_text="states").click()
    sync_api.expect(tab.frame.locator("article")).to_have_count(1)

    assert tab.text("article h2").startswith("first")


def test_nonsense_in_the_address_does_no_harm(open_tab):
    state = {"quantity": "foo", "step": "abc", "depth": 999, "first": 50, "stop": 3}
    tab = open_tab("states/gradients", **state)
    tab.wait_for(".readout", "01_hidden_1, step 20: ")

    assert tab.frame.get_by_label("Quantity").input_value() == "activation_gradients"
    assert tab.frame.get_by_role("button", name="All steps").is_hidden()


def test_no_run_at_all_may_be_chosen(open_tab):
    tab = open_tab("states/gradients")
    tab.frame.locator("details.runs summary").click()
    tab.frame.locator("details.runs label", has_text="states").click()
    tab.wait_for(".message", "Choose a run above.")
    tab.page.wait_for_timeout(6000)  # after it has looked for new runs

    assert tab.frame.locator("article").count() == 0
    assert tab.text("details.runs summary").startswith("Runs: 0 of ")


def test_layers_of_other_names_are_matched_by_position_and_it_is_said(open_tab):
    tab = open_tab("first/gradients", "second/gradients")
    tab.wait_for(".notes", "Some layers of second have other names")
    tab.hover(1, 1, 3, 4)

    tab.wait_for(".readout", "02_hidden_2, step 5")
    tab.wait_for(".readout", "02_b, step 0", 1)


def test_histograms_of_a_layer_share_one_axis(open_tab, logs):
    tab = open_tab(*demo_runs(logs))
    for number in (0, 1):
        tab.plot(number, ".histogram")
    tab.wait_for("h3", "Histogram of 01_hidden_1", 1)
    tab.hover(4, 0, 9, 10)

    tab.wait_for("h3", "Histogram of 05_hidden_5", 0)
    tab.wait_for("h3", "Histogram of 05_hidden_5", 1)


def test_a_growing_log_is_followed(open_tab, logs):
    writer = write_with_verdict(logs / "live" / "gradients", RECORDS[:1])
    tab = open_tab("live/gradients")
    tab.wait_for("h2 small", "1 record")
    for record in RECORDS[1:]:
        writer.write(record, training())
    tab.wait_for("h2 small", "4 records")
    writer.close()

    tab.wait_for(".readout", "step 20")


def test_names_that_look_like_html_do_no_harm(open_tab, logs):
    names = (HOSTILE, "</script><script>window.hacked=1</script>", "output")
    records = [record_at(0, [1e-3, 1e-2, 1e-1], names)]
    texts = {"name": HOSTILE, "message": HOSTILE, "cause": HOSTILE, "advice": (HOSTILE,)}
    diagnosis = dataclasses.replace(VERDICT.diagnoses[0], paths=(HOSTILE,), **texts)
    verdict = dataclasses.replace(VERDICT, diagnoses=(diagnosis,))
    write_with_verdict(logs / "<b>bold" / "gradients", records, verdict, names).close()
    tab = open_tab("<b>bold/gradients")
    tab.wait_for(".readout", HOSTILE[:8])
    tab.frame.locator(".verdict summary").click()
    tab.frame.locator("details.runs summary").click()

    assert tab.text(".verdict").count(HOSTILE) == 4
    assert tab.text("article h2").startswith("<b>bold")
    assert tab.frame.locator("article b, article img, article script").count() == 0
    assert tab.page.evaluate("window.hacked") is None
    assert tab.frame.locator("body").evaluate("() => window.hacked ?? null") is None


def test_the_page_is_dark_where_tensorboard_is(open_tab):
    backgrounds = [
        open_tab("states/gradients", scheme=scheme)
        .frame.locator("body")
        .evaluate("body => getComputedStyle(body).backgroundColor")
        for scheme in ("light", "dark")
    ]

    assert backgrounds == ["rgb(255, 255, 255)", "rgb(48, 48, 48)"]


@pytest.mark.parametrize("loader", ["--load_fast=false", "--load_fast=true"])
def test_both_loaders_of_tensorboard_serve_the_tab(open_tab, without_tensorflow, tmp_path, loader):
    write_with_verdict(tmp_path / "gradients").close()
    with serve(without_tensorflow, tmp_path, loader, "--reload_interval=1") as address:
        tab = open_tab("gradients", address=address)
        tab.wait_for(".readout", "01_hidden_1, step 20: NaN or infinite")


def test_the_answers_need_no_tensorflow(without_tensorflow):
    script = (
        "import sys, importlib.util; from vg_keras.plugin import plugin, requests; "
        "assert not importlib.util.find_spec('tensorflow'); "
        "print(plugin.__file__, 'matplotlib' in sys.modules)"
    )
    process = subprocess.run(
        [without_tensorflow, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    file, has_matplotlib = process.stdout.split()

    assert Path(file).is_relative_to(Path(without_tensorflow).parents[1])
    assert has_matplotlib == "False"
