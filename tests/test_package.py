"""The package: its public names, the cost of importing it, and the contents of its wheel."""

import math
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from handmade_logs import record_of, write_log
from installed import ROOT, info_of, requirements_of
from small_models import compiled, fit, mlp, regression_data

import vg_keras
from vg_keras.arguments import OLDEST_TESTED

HEAVY = "{name.partition('.')[0] for name in sys.modules} & {'tensorflow', 'keras', 'matplotlib'}"


def output_of(script, *arguments, path=(str(ROOT),), **how):
    result = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
        **how,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_importing_the_package_imports_neither_tensorflow_nor_keras():
    assert output_of(f"import sys, vg_keras; dir(vg_keras); print({HEAVY})") == "set()"


def test_reading_a_log_imports_neither_tensorflow_nor_keras(tmp_path):
    fit(compiled(mlp(depth=0)), *regression_data(1), [vg_keras.GradientMonitor(tmp_path)])
    script = (
        "import sys; from vg_keras import read_run, Run, Record, Sketch, FormatVersionError; "
        "training = read_run(sys.argv[1]).latest; "
        f"print(len(training.records), training.model.name, {HEAVY})"
    )

    assert output_of(script, tmp_path) == "1 sequential set()"


@pytest.mark.parametrize(
    "module",
    [
        "record",
        "log.format",
        "log.reader",
        "log.writer",
        "log.charts",
        "log.chart_rhythm",
        "schedule",
        "cost",
        "filters",
        "profiles",
        "logged_runs",
        "comparison",
        "cli",
        "notebook_view",
        "training_log",
        "quantities",
        "ranking",
        "tables",
        "sketch.sketch",
        "sketch.histogram",
        "theory",
    ],
)
def test_the_reading_half_imports_neither_tensorflow_nor_keras(module):
    assert output_of(f"import sys, vg_keras.{module}; print({HEAVY})") == "set()"


def test_every_module_has_a_test_file_of_its_name_in_the_same_place():
    package, tests = ROOT / "vg_keras", ROOT / "tests"
    modules = [path.relative_to(package) for path in package.rglob("*.py")]
    expected = {path.with_name(f"test_{path.name}") for path in modules if path.stem != "__init__"}

    assert sorted(str(path) for path in expected if not (tests / path).exists()) == []


def test_every_public_name_resolves():
    assert {name: getattr(vg_keras, name).__name__ for name in vg_keras.__all__} == {
        name: name for name in vg_keras.__all__
    }


def test_no_public_name_is_also_a_module():
    """Importing a module would replace a function of the same name in the package."""
    modules = {path.stem for path in (ROOT / "vg_keras").iterdir()}

    assert modules & set(vg_keras.__all__) == set()


def test_the_public_names_are_as_listed():
    assert sorted(vg_keras.__all__) == [
        "Cost",
        "FormatVersionError",
        "GradientMonitor",
        "Probe",
        "Record",
        "Run",
        "Sketch",
        "Training",
        "TrainingProblem",
        "check",
        "follow",
        "iter_records",
        "profile",
        "read_run",
    ]


def test_every_public_name_is_listed_before_it_is_used():
    script = "import vg_keras; print(set(vg_keras.__all__) <= set(dir(vg_keras)))"

    assert output_of(script) == "True"


def test_an_unknown_name_raises_an_attribute_error():
    with pytest.raises(AttributeError) as caught:
        vg_keras.GradientMonitors  # noqa: B018

    assert str(caught.value) == "module 'vg_keras' has no attribute 'GradientMonitors'"


def test_a_wheel_contains_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    sources = {str(file.relative_to(ROOT)) for file in (ROOT / "vg_keras").rglob("*.py")}

    assert {name for name in names if name.endswith(".py")} == sources
    assert "vg_keras/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {
        "vg_keras",
        f"vg_keras-{vg_keras.__version__}.dist-info",
    }


def test_an_installed_wheel_imports_and_reads_a_log(wheel, tmp_path):
    fit(compiled(mlp(depth=0)), *regression_data(1), [vg_keras.GradientMonitor(tmp_path / "logs")])
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)  # what an installer does with a pure wheel
    script = (
        "import sys, vg_keras; from vg_keras import *; from vg_keras.capture import fit; "
        "print(vg_keras.__file__, len(vg_keras.read_run(sys.argv[1]).latest.records))"
    )
    path = [str(installed), sysconfig.get_path("purelib")]
    output = output_of(script, tmp_path / "logs", path=path, cwd=tmp_path)

    assert output == f"{installed / 'vg_keras' / '__init__.py'} 1"


def test_a_wheel_can_be_installed_and_imported_in_an_empty_environment(wheel, tmp_path):
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([python, *install], check=True, timeout=120)
    script = "import vg_keras; print(vg_keras.__version__, vg_keras.__file__)"
    process = subprocess.run(
        [python, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    version, file = process.stdout.split()

    assert version == vg_keras.__version__
    assert file.startswith(str(tmp_path / "empty"))


def test_the_wheel_requires_neither_tensorflow_nor_keras(wheel):
    found = requirements_of(wheel)

    assert {"matplotlib", "numpy", "protobuf", "tensorboard"} <= found.keys()
    assert not {"tensorflow", "keras", "pandas"} & found.keys()


READING = """
import importlib.util, sys
from vg_keras import follow, iter_records, profile, read_run
from vg_keras.theory import predict

assert not any(map(importlib.util.find_spec, ["tensorflow", "keras"]))
training = read_run(sys.argv[1]).latest
print(len(training.records), training.model.name, training.settings.loss)
print(profile(training, "update_ratio").values.shape, len(list(iter_records(sys.argv[1]))))
print(sum(1 for _ in follow(sys.argv[1]).poll()))
print(round(predict("relu", "he_normal").factor_per_layer, 6))
assert "matplotlib" not in sys.modules
try:
    from vg_keras import GradientMonitor
except ImportError as error:
    print(error)
"""


def test_logs_and_theory_work_without_tensorflow(without_tensorflow, tmp_path):
    monitor = vg_keras.GradientMonitor(tmp_path / "logs", "batch")
    fit(compiled(mlp(depth=1)), *regression_data(3), [monitor])
    process = subprocess.run(
        [without_tensorflow, "-I", "-c", READING, str(tmp_path / "logs")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert process.returncode == 0, process.stderr
    *read, refused = process.stdout.splitlines()
    assert read == ["3 sequential mse", "(3, 4) 3", "3", "1.0"]
    assert refused == (
        "`vg_keras.GradientMonitor` needs Keras and TensorFlow, and the package 'keras' is not "
        'installed. Install them: pip install "vg_keras[tensorflow]"'
    )


def test_the_command_works_without_tensorflow(without_tensorflow, tmp_path):
    write_log(tmp_path / "logs" / "gradients", [record_of(0), record_of(5, [1.0, math.nan])])
    command = Path(without_tensorflow).with_name("vg-keras")
    process = subprocess.run(
        [command, "diagnose", "logs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert process.returncode == 1, process.stderr
    assert "VG301 non-finite, step 5" in process.stdout


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["show", "logs", "--quantity", "gradients"], "gradients, RMS"),
        (["report", "logs"], "Wrote report.html with 1 training run."),
        (["compare", "logs", "other", "--quantity", "gradients"], "Wrote compare.png."),
    ],
)
def test_other_commands_work_without_tensorflow(without_tensorflow, tmp_path, arguments, printed):
    for log in ("logs", "other"):
        write_log(tmp_path / log / "gradients", [record_of(0), record_of(5)])
    command = Path(without_tensorflow).with_name("vg-keras")
    process = subprocess.run(
        [command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert process.returncode == 0, process.stderr
    assert printed in process.stdout


def test_the_demo_says_what_it_needs_without_tensorflow(without_tensorflow, tmp_path):
    command = Path(without_tensorflow).with_name("vg-keras")
    process = subprocess.run(
        [command, "demo"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert process.returncode == 2
    assert process.stderr.startswith("vg-keras: `vg_keras.GradientMonitor` needs Keras and Tensor")
    assert process.stderr.count("\n") == 1


def test_no_readme_link_is_relative_on_a_package_index(wheel):
    text = zipfile.ZipFile(wheel).read(f"{info_of(wheel)}METADATA").decode()
    _, _, readme = text.partition("\n\n")
    targets = re.findall(r"\]\(([^)]+)\)", readme)

    assert len(targets) > 5
    assert [t for t in targets if not t.startswith(("https://", "#"))] == []
    images = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme)
    assert images
    assert all(image.startswith("https://raw.") for image in images)


def test_the_project_url_is_the_same_everywhere():
    pyproject, citation = ((ROOT / n).read_text() for n in ("pyproject.toml", "CITATION.cff"))
    addresses = re.findall(r"(?:github|raw\.githubusercontent)\.com/([\w-]+/[\w-]+)", pyproject)

    assert len(set(addresses)) == 1
    assert f"github.com/{addresses[0]}" in citation
    assert f"\nversion: {vg_keras.__version__}\n" in citation


@pytest.mark.parametrize(("package", "version"), [("keras", "3.12.9"), ("tensorflow", "2.9.1")])
def test_an_untested_old_keras_or_tensorflow_warns(monkeypatch, package, version):
    monkeypatch.setattr(f"{package}.__version__", version)
    oldest = {"keras": "3.13", "tensorflow": "2.20"}[package]
    with pytest.warns(UserWarning, match="is tested with") as caught:
        vg_keras.GradientMonitor(None)

    (warning,) = caught
    assert str(warning.message) == (
        f"GradientMonitor is tested with {package} {oldest} and newer. "
        f"Received: {package} {version}. Upgrade it: pip install --upgrade {package}"
    )


def test_the_oldest_versions_match_pyproject():
    text = (ROOT / "pyproject.toml").read_text()

    assert all(f'"{name}>={oldest}"' in text for name, oldest in OLDEST_TESTED.items())
