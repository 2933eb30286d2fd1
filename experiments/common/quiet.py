"""Imports TensorFlow without the lines that it prints on its way.

`TF_CPP_MIN_LOG_LEVEL` alone does not help: TensorFlow 2.21 logs before that setting is read, to the
file descriptor of the standard error.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras; what they print is shown only if that fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _stderr_held_back():
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()
    # It warns of retracing where many models are trained for a few steps each, as they are here.
    tf.get_logger().setLevel("ERROR")


@contextmanager
def _stderr_held_back() -> Iterator[None]:
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(stderr, 2)
            held_back.seek(0)
            os.write(2, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
