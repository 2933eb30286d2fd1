"""Replaces attributes of Keras and TensorFlow objects, and restores them.

An attribute of one instance is replaced for a single observer (`replace_in_instance`). A method of
a class is shared by the whole process, so several observers, in several threads, may wrap it at the
same time: `SharedMethod` replaces it once and restores it when the last listener leaves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Generic, TypeVar

Listener = TypeVar("Listener")

Method = Callable[..., Any]


def replace_in_instance(instance: Any, name: str, value: Any, stack: ExitStack) -> None:
    """Replaces an attribute of one object until the stack unwinds.

    Writes to the object's own dictionary, bypassing the attribute tracking of Keras objects.

    Args:
        instance: The object.
        name: The name of the attribute.
        value: The replacement.
        stack: Restores the attribute: deletes it from the object's dictionary, or restores the
            previous entry.
    """
    own = vars(instance)
    is_own, previous = name in own, own.get(name)

    def restore() -> None:
        own.pop(name, None)
        if is_own:
            own[name] = previous

    own[name] = value
    stack.callback(restore)


def replace_attribute(instance: Any, name: str, value: Any, stack: ExitStack) -> None:
    """Replaces an attribute of one object, by its setter, until the stack unwinds.

    Args:
        instance: The object.
        name: The name of the attribute.
        value: The replacement.
        stack: Restores the attribute.
    """
    previous = getattr(instance, name)
    setattr(instance, name, value)
    stack.callback(setattr, instance, name, previous)


class SharedMethod(Generic[Listener]):
    """A method of a class, or a function of a module, that several observers can wrap at once.

    Args:
        owner: The class or module that defines it.
        name: Its name.
        wrap: Creates the replacement. Takes the original and the live list of listeners, and
            returns a callable with the signature of the original.
    """

    def __init__(
        self, owner: Any, name: str, wrap: Callable[[Method, list[Listener]], Method]
    ) -> None:
        self._owner = owner
        self._name = name
        self._wrap = wrap
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._original: Method | None = None
        self._replacement: Method | None = None

    @contextmanager
    def listened_to_by(self, listener: Listener) -> Iterator[None]:
        """Adds a listener in a `with` block. The method is replaced while there is any."""
        with self._lock:
            if not self._listeners:
                self._install()
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)
                if not self._listeners:
                    self._remove()

    def _install(self) -> None:
        self._original = vars(self._owner)[self._name]
        self._replacement = self._wrap(self._original, self._listeners)
        setattr(self._owner, self._name, self._replacement)

    def _remove(self) -> None:
        # If other code has replaced the method in the meantime, that replacement stays. It calls
        # ours, which calls the original while it has no listener.
        if vars(self._owner)[self._name] is self._replacement:
            setattr(self._owner, self._name, self._original)
