"""Suspends TensorFlow's op callbacks for the monitor's own operations.

`tf.debugging.enable_check_numerics` and `enable_dump_debug_info` instrument every operation that
the current thread creates. The user wants that for the model. On the monitor's arithmetic it would
end a healthy training run: a sum of squares may overflow before it is scaled, and an infinity that
the monitor only counts would be an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# Private: there is no public way to list the installed callbacks. Tested with TensorFlow 2.21.
from tensorflow.python.eager import context


@contextmanager
def suspended() -> Iterator[None]:
    """Removes this thread's op callbacks for the duration of a `with` block."""
    current = context.context()
    callbacks = list(current.op_callbacks)
    for callback in callbacks:
        current.remove_op_callback(callback)
    try:
        yield
    finally:
        for callback in callbacks:
            current.add_op_callback(callback)
