"""The package: its public names, what importing it costs, and what a wheel of it holds."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from small_models import compiled, fit, mlp, regression_data

import vg_keras

ROOT = Path(vg_keras.__file__).parent.parent
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
        "profile",
        "training_log",
        "quantities",
        "ranking",
        "frames",
        "sketch.sketch",
        "sketch.histogram",
        "theory",
    ],
)
def test_the_reading_half_imports_neither_tensorflow_nor_keras(module):
    assert output_of(f"import sys, vg_keras.{module}; print({HEAVY})") == "set()"


def test_every_public_name_resolves():
    assert {name: getattr(vg_keras, name).__name__ for name in vg_keras.__all__} == {
        name: name for name in vg_keras.__all__
    }


def test_the_public_names_are_these():
    assert sorted(vg_keras.__all__) == [
        "Cost",
        "FormatVersionError",
        "GradientMonitor",
        "Probe",
        "Record",
        "Run",
        "Sketch",
        "Training",
        "follow",
        "iter_records",
        "profile",
        "read_run",
    ]


def test_every_public_name_is_listed_before_it_is_used():
    script = "import vg_keras; print(set(vg_keras.__all__) <= set(dir(vg_keras)))"

    assert output_of(script) == "True"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError) as caught:
        vg_keras.GradientMonitors  # noqa: B018

    assert str(caught.value) == "module 'vg_keras' has no attribute 'GradientMonitors'"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the package, made by its own build system without asking the network."""
    directory = tmp_path_factory.mktemp("wheel")
    script = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
    name = output_of(script, directory, cwd=ROOT)
    return directory / name.splitlines()[-1]


def test_a_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    sources = {str(file.relative_to(ROOT)) for file in (ROOT / "vg_keras").rglob("*.py")}

    assert {name for name in names if name.endswith(".py")} == sources
    assert "vg_keras/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {
        "vg_keras",
        f"vg_keras-{vg_keras.__version__}.dist-info",
    }


def test_a_wheel_that_is_installed_imports_and_reads_a_log(wheel, tmp_path):
    fit(compiled(mlp(depth=0)), *regression_data(1), [vg_keras.GradientMonitor(tmp_path / "logs")])
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)  # what an installer does to a pure wheel
    script = (
        "import sys, vg_keras; from vg_keras import *; from vg_keras.capture import fit; "
        "print(vg_keras.__file__, len(vg_keras.read_run(sys.argv[1]).latest.records))"
    )
    path = [str(installed), sysconfig.get_path("purelib")]
    output = output_of(script, tmp_path / "logs", path=path, cwd=tmp_path)

    assert output == f"{installed / 'vg_keras' / '__init__.py'} 1"


def test_a_wheel_is_installed_into_an_empty_environment_and_imports_there(wheel, tmp_path):
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
