"""The wheel of the package, and an environment in which only the wheel is installed."""

import importlib.metadata
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

from packaging.requirements import Requirement

import vg_keras

ROOT = Path(vg_keras.__file__).parent.parent


def build_wheel(directory):
    """Builds a wheel by the package's own build system, without network access."""
    script = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
    process = subprocess.run(
        [sys.executable, "-c", script, str(directory)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return directory / process.stdout.splitlines()[-1]


def info_of(wheel):
    """Returns the directory of a wheel's metadata."""
    return f"vg_keras-{vg_keras.__version__}.dist-info/"


def requirements_of(wheel):
    """Returns the distributions that a wheel requires, transitively, without extras."""
    metadata = importlib.metadata.PathDistribution(zipfile.Path(wheel, info_of(wheel)))
    ahead, found = list(metadata.requires or ()), {}
    while ahead:
        requirement = Requirement(ahead.pop())
        name = requirement.name.lower()
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found[name] = importlib.metadata.distribution(name)
        ahead += found[name].requires or ()
    return found


def install_alone(wheel, directory):
    """Installs a wheel and what it requires in a new environment, and returns its Python.

    The requirements are links to the packages of this environment, so that the network is not
    needed.
    """
    venv.create(directory / "venv", with_pip=True)
    python = directory / "venv" / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([python, *install], check=True, timeout=120)
    (site,) = (directory / "venv" / "lib").glob("python*/site-packages")
    for distribution in requirements_of(wheel).values():
        for file in distribution.files or ():
            source = Path(distribution.locate_file(file))
            if ".." not in file.parts and source.suffix != ".pyc" and source.is_file():
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists():
                    target.symlink_to(source)
    return python
