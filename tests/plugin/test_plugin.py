"""The plugin as TensorBoard sees it: routes, files, errors, and the examples of `http_api.md`."""

import argparse
import hashlib
import importlib.metadata
import json
import re
from pathlib import Path

import pytest
from flow_logs import write_with_verdict
from tensorboard.plugins.base_plugin import TBContext
from werkzeug.test import Client

import vg_keras
from vg_keras.log.format import PLUGIN_NAME
from vg_keras.plugin.plugin import NAME, GradientFlowPlugin

FOLDER = Path(vg_keras.__file__).parent / "plugin"
API = (FOLDER / "http_api.md").read_text()
STATIC = {file.name for file in (FOLDER / "static").iterdir() if file.suffix in (".js", ".css")}


@pytest.fixture
def apps(tmp_path):
    write_with_verdict(tmp_path / "first" / "gradients").close()
    context = TBContext(logdir=str(tmp_path), flags=argparse.Namespace(logdir_spec=""))
    return GradientFlowPlugin(context).get_plugin_apps()


def get(apps, address):
    return Client(apps[address.partition("?")[0]]).get(address)


def test_the_plugin_is_found_by_tensorboard():
    (entry,) = [
        entry
        for entry in importlib.metadata.entry_points(group="tensorboard_plugins")
        if entry.name == "vg_keras"
    ]

    assert entry.load() is GradientFlowPlugin
    assert GradientFlowPlugin.plugin_name == NAME == PLUGIN_NAME


def test_it_is_active_by_its_data_alone_and_looks_at_no_log_before_it_is_asked():
    plugin = GradientFlowPlugin(TBContext(logdir="/missing"))

    assert plugin.is_active() is False
    assert list(plugin.data_plugin_names()) == [PLUGIN_NAME]
    assert "_answers" not in vars(plugin)
    assert plugin.frontend_metadata().tab_name == "Gradient Flow"
    assert plugin.frontend_metadata().es_module_path[1:] in STATIC


@pytest.mark.parametrize("name", sorted(STATIC))
def test_every_file_of_the_page_is_served_with_its_type(apps, name):
    response = get(apps, f"/{name}")

    assert response.status_code == 200
    assert response.get_data() == (FOLDER / "static" / name).read_bytes()
    expected = "application/javascript" if name.endswith(".js") else "text/css"
    assert response.headers["Content-Type"].startswith(expected)
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_request_that_is_refused_says_why(apps):
    missing, invalid = get(apps, "/flow?key=x"), get(apps, "/flow?key=x&quantity=y")

    assert (missing.status_code, invalid.status_code) == (404, 400)
    assert json.loads(missing.get_data())["error"].endswith("Received: key='x'.")


def test_our_files_name_no_address():
    for name in STATIC:
        if not name.startswith("uPlot"):
            assert "://" not in (FOLDER / "static" / name).read_text(), name


def test_the_library_is_the_one_that_is_named():
    text = (FOLDER / "static" / "README.md").read_text()
    rows = re.findall(r"^\| `(\S+)` \| ([\d,]+) \| `(\w+)` \|", text, re.MULTILINE)
    contents = {name: (FOLDER / "static" / name).read_bytes() for name, _, _ in rows}

    assert set(contents) == {name for name in STATIC if name.startswith("uPlot")}
    for name, size, digest in rows:
        assert f"{len(contents[name]):,}" == size
        assert hashlib.sha256(contents[name]).hexdigest() == digest


EXAMPLES = re.findall(r"^    GET (\S+)\n\n```json\n(.*?)```", API, re.MULTILINE | re.DOTALL)


def matches(example, answer):
    """Whether an answer is that of an example, in which "..." stands for more of the same."""
    if isinstance(example, dict):
        keys = example.keys() - {"..."}
        is_whole = "..." in example or keys == answer.keys()
        return is_whole and all(k in answer and matches(example[k], answer[k]) for k in keys)
    if isinstance(example, list):
        shown = [each for each in example if each != "..."]
        is_whole = "..." in example or len(shown) == len(answer)
        return is_whole and all(map(matches, shown, answer))
    return example == answer


@pytest.mark.parametrize(("address", "example"), EXAMPLES, ids=[a for a, _ in EXAMPLES])
def test_the_examples_of_the_documentation_are_what_is_answered(apps, address, example):
    answer = json.loads(get(apps, address).get_data())

    assert matches(json.loads(example), answer), json.dumps(answer)


def test_every_route_and_field_is_documented(apps):
    assert {address.partition("?")[0] for address, _ in EXAMPLES} == {
        "/runs",
        "/flow",
        "/histogram",
    }
    assert apps.keys() - {f"/{name}" for name in STATIC} == {"/runs", "/flow", "/histogram"}
    for address, _ in EXAMPLES:
        for field in fields_of(json.loads(get(apps, address).get_data())):
            assert f"`{field}`" in API or f'"{field}"' in API, field


def fields_of(answer):
    if isinstance(answer, dict):
        return set(answer).union(*map(fields_of, answer.values()))
    return set().union(*map(fields_of, answer)) if isinstance(answer, list) else set()
