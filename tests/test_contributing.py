"""The example in CONTRIBUTING.md of how to add a quantity works as it is written."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import vg_keras

PACKAGE = Path(vg_keras.__file__).parent
ROOT = PACKAGE.parent

SCRIPT = """
    import sys
    import numpy as np
    import keras
    import vg_keras

    x = np.random.default_rng(0).normal(size=[64, 4])
    layers = [keras.layers.Dense(64, "relu"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input([4]), *layers])
    model.compile("sgd", "mse", jit_compile=False)
    monitor = vg_keras.GradientMonitor(sys.argv[1], "batch")
    model.fit(x, x[:, :1], verbose=0, callbacks=[monitor])
    training = vg_keras.read_run(sys.argv[1]).latest
    assert training == monitor.run.latest
    found = vg_keras.profile(training, "zero_outputs")
    print(vg_keras.__file__)
    print(*found.paths, *np.round(found.values[0], 1))
    print("zero_outputs" in training.to_pandas(), "zero_outputs" in training.settings.quantities)
"""


def with_example(directory):
    """Copies the package and adds the quantity of the example to it."""
    package = shutil.copytree(PACKAGE, directory / "vg_keras")
    blocks = re.findall(r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    row, field, argument = (re.sub("^[+]", "", block, flags=re.MULTILINE) for block in blocks)
    for file, before, added in [
        ("quantities.py", ')\n"""Every quantity', row),
        ("record.py", "    dead_unit_examples: Mapping", field),
        ("capture/decode.py", "            dead_units={", argument),
    ]:
        text = (package / file).read_text()
        assert text.count(before) == 1
        (package / file).write_text(text.replace(before, added + before))
    return directory


def test_the_quantity_of_the_example_is_recorded_and_read(tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path / "logs")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(with_example(tmp_path)), *sys.path])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == [
        str(tmp_path / "vg_keras" / "__init__.py"),
        "sequential/dense sequential/dense_1 0.5 0.0",
        "True True",
    ]
