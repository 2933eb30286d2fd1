"""A report is one document that opens without a network, in a light or dark browser, on paper."""

import dataclasses
import re

import pytest
from handmade_logs import write_log
from logged_runs import DIAGNOSIS, VERDICT, record, training, write_two
from scripted_records import layer, model_of

from vg_keras.logged_runs import find_all, read
from vg_keras.report import contents
from vg_keras.report.page import page
from vg_keras.rules import NotApplied

HOSTILE = '<img src=x onerror="document.title=1">&amp;</style><script>document.title=2</script>'


@pytest.fixture
def two(tmp_path):
    """A healthy run without a stored verdict, and a sick one with one."""
    write_two(tmp_path)
    healthy, sick = read(find_all([str(tmp_path)]))
    sick.training = dataclasses.replace(sick.training, verdict=VERDICT)
    return [healthy, sick]


def headings(text):
    return re.findall(r"<h2>(.*?)</h2>", text)


def test_the_verdict_comes_first_and_the_worst_before_the_others(two):
    text = page(two, "logs")

    assert headings(text) == [
        "Verdict",
        "Gradient of every layer over the training run",
        "Every layer at the last record",
        "Training loss",
        "Layer by layer",
        "Layers of healthy",
        "Layers of sick",
        "Settings",
    ]
    assert re.findall(r"<h3>(.*?)</h3>", text) == [
        "sick: VG101 vanishing-gradient: net/a",
        "healthy: No problem found in 10 records, steps 0 to 9.",
    ]
    assert text.count("o problem found") == 1
    assert "<p>Almost no gradient reaches net/a.</p>" in text
    assert "<b>Why:</b> Theory predicts it." in text
    assert re.findall(r"<li>(.*?)</li>", text) == ["Use ReLU.", "Add BatchNormalization."]


def test_one_training_run_is_not_compared(two):
    text = page(two[:1], "logs")

    assert "Layer by layer" not in headings(text)
    assert "Layers" in headings(text)
    assert "healthy:" not in text


def test_settings_that_differ_are_marked(two):
    rows = re.findall(r'<tr( class="differs")?><th>(.*?)</th>', page(two, "logs"))

    assert {name for differs, name in rows if differs} == {"Training loss"}
    assert {"Log", "Training run", "Optimizer"} <= {name for _, name in rows}


def test_what_is_left_out_is_said(two):
    verdict = dataclasses.replace(VERDICT, not_applied=(NotApplied("VG401", "x", ("updates",)),))
    two[1].training = dataclasses.replace(two[1].training, verdict=verdict)
    text = page(two, "logs", "The latest 8 of 9 training runs.")

    assert "<p>The latest 8 of 9 training runs.</p>" in text
    assert "Not applied: VG401 (updates is not recorded)." in text


def test_too_many_records_to_examine_have_a_report_without_a_verdict(two, monkeypatch):
    monkeypatch.setattr(contents, "MAX_EXAMINED", 9)
    text = page(two[:1], "logs")

    assert re.findall(r"<h3>(.*?)</h3>", text) == ["No verdict"]
    assert "The log has no verdict on its 10 records." in text


def test_settings_that_are_the_same_are_said_once(two):
    text = page(two, "logs")

    assert '<th>Optimizer</th><td colspan="2">SGD, learning rate 0.1, momentum 0.9</td>' in text
    assert "<td>healthy</td>" not in text


def test_what_was_not_recorded_of_any_layer_has_no_column(tmp_path):
    only = dataclasses.replace(
        record(0, 1, 2, 3), activations={}, activation_gradients={}, dead_units={}
    )
    write_log(tmp_path / "gradients", [only], training())
    text = page(read(find_all([str(tmp_path)])), "logs")

    assert "<th>type</th><th>gradient of kernel, L2 norm</th><th>update ratio</th></tr>" in text


def test_layers_are_marked_only_if_the_caption_says_so(two):
    healthy, sick = (page([run], "logs") for run in two)

    assert "&#9888;" not in healthy
    assert sick.count("&#9888;") == 2
    assert "<td>NaN or infinite</td>" in sick


def test_damage_is_said_beside_the_verdict(two):
    two[0].damage = ("event 3 is damaged and skipped.",)

    assert '<p class="headline">Damaged: event 3 is damaged' in page(two, "logs")


def test_a_training_run_without_records_has_a_report(tmp_path):
    write_log(tmp_path / "gradients", [], training())
    text = page(read(find_all([str(tmp_path)])), "logs")

    assert headings(text) == ["Verdict", "Settings"]
    assert "<h3>Nothing has been recorded yet.</h3>" in text


def opened(browser, file, **how):
    """Opens a file in a browser without a network; returns the page and what it did."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True, **how)
    opened, happened = context.new_page(), []
    opened.on("request", lambda r: r.url.startswith("data:") or happened.append(r.url))
    opened.on("pageerror", lambda error: happened.append(str(error)))
    opened.on("console", lambda message: happened.append(message.text))
    opened.goto(file.as_uri())
    return opened, happened


@pytest.fixture
def file(tmp_path):
    """A report of a training run whose names and messages try to break out of their places."""
    model = model_of(layer(HOSTILE, "kernel", output_shape=(None, 3)))
    records = [record(step, 1.0, model=model) for step in range(3)]
    for name in ("one", "two"):
        described = training(model, id=f"{name}{HOSTILE}")
        write_log(tmp_path / name / "gradients", records, described)
    runs = read(find_all([str(tmp_path)]))
    diagnosis = dataclasses.replace(DIAGNOSIS, paths=(HOSTILE,), message=HOSTILE, cause=HOSTILE)
    for run in runs:
        verdict = dataclasses.replace(VERDICT, diagnoses=(diagnosis,))
        run.training = dataclasses.replace(run.training, verdict=verdict)
        run.name = f"{run.name} {HOSTILE}"
    file = tmp_path / "report.html"
    file.write_text(page(runs, HOSTILE, HOSTILE), encoding="utf-8")
    return file


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_names_are_text_and_nothing_is_requested(browser, file, scheme):
    shown, happened = opened(browser, file, color_scheme=scheme)
    seen = "images => images.filter(i => i.offsetWidth).map(i => i.{})"
    sources = shown.eval_on_selector_all("img", seen.format("src"))
    widths = shown.eval_on_selector_all("img", seen.format("naturalWidth"))

    assert happened == [file.as_uri()]
    assert shown.title() == f"Gradient report: {HOSTILE}"
    assert shown.locator("h3").first.inner_text().count(HOSTILE) == 2
    assert all(source.startswith("data:image/png") for source in sources)
    assert len(sources) == 3
    assert min(widths) > 1000


@pytest.mark.slow
def test_it_fits_a_window_and_a_sheet_of_paper(browser, two, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(page(two, "logs"), encoding="utf-8")
    light, _ = opened(browser, file)
    dark, _ = opened(browser, file, color_scheme="dark")
    width = "document.documentElement.scrollWidth"

    assert light.evaluate(width) == dark.evaluate(width) == 1280
    assert colors_of(light) == ("light", "rgb(255, 255, 255)", "rgb(31, 35, 40)")
    assert colors_of(dark) == ("dark", "rgb(20, 23, 26)", "rgb(230, 232, 235)")
    dark.emulate_media(media="print")
    dark.set_viewport_size({"width": 720, "height": 1000})
    assert colors_of(dark) == colors_of(light)
    assert dark.evaluate(width) <= 720
    assert light.pdf(format="A4").startswith(b"%PDF")


def colors_of(shown):
    """The version of the pictures that is shown, the background and the text color."""
    pictures = "images => images.filter(i => i.offsetWidth).map(i => i.className)"
    (picture,) = set(shown.eval_on_selector_all("img", pictures))
    style = "getComputedStyle(document.body)"
    return picture, shown.evaluate(f"{style}.backgroundColor"), shown.evaluate(f"{style}.color")


@pytest.mark.slow
def test_in_a_narrow_window_pictures_scroll_and_the_page_does_not(browser, two, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(page(two, "logs"), encoding="utf-8")
    shown, _ = opened(browser, file)
    shown.set_viewport_size({"width": 500, "height": 900})

    assert shown.evaluate("document.documentElement.scrollWidth") == 500
    assert shown.evaluate("document.querySelector('img').offsetWidth") >= 700
