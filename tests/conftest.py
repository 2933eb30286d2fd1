"""What every test shares: quiet TensorFlow, a fixed seed, and two virtual CPU devices."""

import gc
import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Several tests run at once: with threads of its own, NumPy's BLAS is several times slower then.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import keras
import pytest
import tensorflow as tf
from installed import build_wheel, install_alone

# Before TensorFlow initializes its devices: a strategy over two replicas needs two of them.
_cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

# Several tests run at once, so threads within an operation only get in each other's way.
tf.config.threading.set_intra_op_parallelism_threads(1)


@pytest.fixture(autouse=True)
def only_new_objects_are_searched_for_garbage():
    """Excludes all objects that existed before the test from garbage collection.

    `keras.utils.clear_session` collects garbage, which takes 0.2 seconds for the 400,000 objects of
    the libraries alone, and longer and longer because TensorFlow never frees graphs that contain a
    `tf.custom_gradient`.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def graphs_as_traced(request):
    """Runs graphs as they were traced, without Grappler, TensorFlow's graph optimizer.

    Grappler takes half of the time of a short training run with a monitor. For tests of what is
    recorded and when, which is decided while a step is traced. Tests that compare weights with and
    without a monitor need Grappler, which is what could make them differ. In a file that uses this
    fixture, the marker `grappler` exempts them.
    """
    if request.node.get_closest_marker("grappler"):
        yield
        return
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture(scope="session")
def two_replicas():
    """A strategy over both virtual devices.

    Shared by all tests: a second strategy in the same process would number its all-reduces from the
    start again, and TensorFlow treats equal numbers as the same all-reduce.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """A wheel of the package."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def without_tensorflow(wheel, tmp_path_factory):
    """The Python of an environment with only the wheel and its requirements."""
    return install_alone(wheel, tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="module")
def browser():
    """Chromium. Tests that need it skip without it, or without Playwright's Python package."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        yield browser
        browser.close()


SLOW = ("experiments", "ways")


def pytest_collection_modifyitems(items):
    """Marks all tests of experiments and of the ways to train as slow."""
    for item in items:
        if item.path.parent.name in SLOW:
            item.add_marker("slow")
