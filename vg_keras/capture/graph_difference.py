"""Compares two traces of one train step and describes the first difference.

TensorFlow runs the Python code of a train step only while tracing it. A later change of Python
state (a dropout rate, `layer.trainable`) is visible only in another trace, which the caller makes.

Even traces of an unchanged step differ in names and counters. So each function is reduced to a
digest, with positions instead of names, digests instead of called functions, and no counters.

Not compared, because the graph doesn't contain them: the Python functions that it calls, the
contents of resources, and deferred captures (values that TensorFlow looks up at each call).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

# Attributes that can differ between two traces of an unchanged step (TensorFlow 2.21).
IGNORED = {
    "_class",  # names of operations to share a device with; the device itself is compared
    "_gradient_op_type",  # "CustomGradient-123"; used only while gradients are traced
    "backward_function_name",
    "forward_function_name",
    "message",  # of CheckNumericsV2: a stack trace
    "op_name",  # of DebugIdentityV2, as are tfdbg_context_id and tensor_id
    "shared_name",  # can end in a counter
    "tensor_id",
    "tfdbg_context_id",
    "token",  # of EagerPyFunc, PyFunc and PyFuncStateless: "pyfunc_123"
}
WRITES = re.compile("Assign|ResourceApply|ResourceSparseApply|ResourceScatter|ResourceStrided")
# The repr of a handle. It contains the path even if the variable was deleted (TensorFlow 2.21).
VARIABLE = re.compile(r'name="([^"]+)/\d+".*type="tensorflow::Var"')
CALL = re.compile(r"(^|/)(Stateful)?PartitionedCall(_\d+)?$")
PLUMBING = {"Cast", "Const", "Identity", "ReadVariableOp"}  # less telling than other operations
MAX_NAME, MAX_TEXT = 60, 40  # characters; they keep a clause below 200

DigestOf = Callable[[str], str]
Paths = dict[int, str]  # of variables or operations, by the id of an object


def difference(before: Any, now: Any) -> str | None:
    """Describes the first difference between two traces of one step.

    Args:
        before: The `ConcreteFunction` that was traced first.
        now: The `ConcreteFunction` of the later trace.

    Returns:
        A clause such as "the constant 'x' is 0.9 and was 0.1", or None if they are equivalent.
    """
    old, new = Trace(before), Trace(now)
    captures = zip(old.captures, new.captures, strict=False)
    same_captures = all(a is b or _identity(a) == _identity(b) for a, b in captures)
    if same_captures and old.digest() == new.digest():
        return None
    return next(_descriptions(old, new), "the same operations are connected differently")


class Function:
    """A `FunctionDef` of a trace, with its arguments and operations numbered in order."""

    def __init__(self, definition: Any) -> None:
        self._definition = definition
        nodes = definition.node_def
        inputs = [tensor for node in nodes if node.op != "Assert" for tensor in node.input]
        used = {name for name, _ in _tensors([*inputs, *definition.ret.values()])}
        # Without constants that only an Assert uses: messages that contain names of tensors.
        self.nodes = [node for node in nodes if node.op != "Const" or node.name in used]
        self.arguments = [argument.name for argument in definition.signature.input_arg]
        self.names = [*self.arguments, *(node.name for node in self.nodes), "a message"]
        self._position = defaultdict(lambda: -1, {name: i for i, name in enumerate(self.names)})

    def digest(self, digest_of: DigestOf) -> str:
        """Returns a digest of everything compared, given the digests of the called functions."""
        return hashlib.sha256("".join(map(repr, self._parts(digest_of))).encode()).hexdigest()

    def _parts(self, digest_of: DigestOf) -> Iterator[Any]:
        definition, signature = self._definition, self._definition.signature
        yield [argument.type for argument in signature.input_arg]
        for node in self.nodes:
            yield node.op, node.device, self.sources(node.input), self._controls(node.input)
            yield _attributes(node.attr, digest_of)
        yield self.sources(definition.ret[output.name] for output in signature.output_arg)
        yield self._controls(f"^{name}" for name in definition.control_ret.values())
        yield _attributes(definition.attr, digest_of)

    def _controls(self, tensors: Iterable[str]) -> list[int]:
        """Returns the positions of control inputs, which TensorFlow sorts by name."""
        return sorted(self._position[name[1:]] for name in tensors if name[0] == "^")

    def sources(self, tensors: Iterable[str]) -> tuple[tuple[int, str], ...]:
        """Returns, for each tensor, the position of its producer and which output it is."""
        return tuple((self._position[name], output) for name, output in _tensors(tensors))


def _tensors(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Splits tensor names into node and output. Skips control inputs, which are not tensors."""
    return (name.partition(":")[::2] for name in names if name[0] != "^")


def _attributes(attributes: Mapping[str, Any], digest_of: DigestOf) -> list[Any]:
    return sorted((k, _value(v, digest_of)) for k, v in attributes.items() if k not in IGNORED)


def _value(value: Any, digest_of: DigestOf) -> Any:
    if called := _called(value):
        return [digest_of(function.name) for function in called]
    content = value.SerializeToString()
    # Don't keep a second copy of a large constant.
    return content if len(content) < 100 else hashlib.sha256(content).digest()


def _called(value: Any) -> Sequence[Any]:
    return [value.func] if value.HasField("func") else value.list.func


class Operation(NamedTuple):
    """An operation in any function of a trace."""

    path: str  # its name, prefixed by that of the loop, branch or call it is in
    node: Any
    function: Function
    captures: tuple[int | None, ...]  # for each input, the index of its capture, if any


class Trace:
    """A traced step, from a `ConcreteFunction`."""

    def __init__(self, concrete: Any) -> None:
        self._graph = graph = concrete.graph
        self._main = Function(concrete.function_def)
        # Private (TensorFlow 2.21). `as_graph_def()` copies these and raises above 2 GB.
        self._functions = {k: Function(f.cached_definition) for k, f in graph._functions.items()}
        self.captures = [external for external, _ in graph.captures]

    def digest(self) -> str:
        """Returns a digest of everything that is compared, except for the captures."""

        @cache
        def digest_of(name: str) -> str:
            return self._functions[name].digest(digest_of) if name in self._functions else name

        return self._main.digest(digest_of)

    @cached_property
    def operations(self) -> list[Operation]:
        """All operations in order, each after the operations of the functions it calls."""
        name_of = dict(zip(map(id, self._graph.inputs), self._main.arguments, strict=False))
        captured = {name_of.get(id(t), ""): i for i, (_, t) in enumerate(self._graph.captures)}
        return list(self._walk(self._main, "", captured, set()))

    def _walk(
        self, function: Function, scope: str, captured: dict[str, Any], seen: set[Hashable]
    ) -> Iterator[Operation]:
        for node in function.nodes:
            captures = tuple(captured.get(name) for name, _ in _tensors(node.input))
            path = node.name if node.name.startswith(scope) else f"{scope}/{node.name}"
            # Sorted, because a protobuf map has no particular order.
            for call in (f.name for key in sorted(node.attr) for f in _called(node.attr[key])):
                if call in self._functions and (call, captures) not in seen:
                    seen.add((call, captures))
                    called = self._functions[call]
                    # From the end: the first input of an If is not an argument of its branches.
                    passed = zip(reversed(called.arguments), reversed(captures), strict=False)
                    yield from self._walk(called, CALL.sub("", path), dict(passed), seen)
            yield Operation(path, node, function, captures)

    @cached_property
    def variables(self) -> Paths:
        """The paths of captured variables by the ids of their handles, in order of first use."""
        handles = [tensor for tensor in self.captures if tensor.dtype == tf.resource]
        found = ((id(handle), VARIABLE.search(repr(handle))) for handle in handles)
        # The other operations of a random layer are more telling than its seed.
        return {i: match[1] for i, match in found if match and "seed_generator" not in match[1]}

    @cached_property
    def updated(self) -> Paths:
        """The variables that the step writes to."""
        writes = (op for op in self.operations if WRITES.match(op.node.op))
        written = {id(self.captures[i]) for op in writes for i in op.captures if i is not None}
        return {handle: path for handle, path in self.variables.items() if handle in written}

    def facts(self, operation: Operation) -> dict[str, tuple[Any, str | None]]:
        """Returns the values to compare of an operation, by subject, with the names of inputs."""
        _, node, function, captures = operation
        facts: dict[str, tuple[Any, str | None]] = {"the device of": (node.device, node.device)}
        for key, value in node.attr.items():
            if key not in IGNORED and not _called(value):
                is_constant = node.op == "Const" and key == "value"
                subject = "the constant" if is_constant else f"the attribute '{key}' of"
                facts[subject] = value, None
        for i, source in enumerate(function.sources(node.input)):
            facts[f"input {i} of"] = source, function.names[source[0]]
            if (index := captures[i]) is not None:
                capture = self.captures[index]
                facts[f"input {i} of"] = _identity(capture), self.variables.get(id(capture), "")
        return facts


def _identity(capture: Any) -> Hashable:
    """Returns the bits of a captured tensor, or the id of a captured resource."""
    if not (capture.dtype.is_numpy_compatible and hasattr(capture, "numpy")):
        return id(capture)
    array = np.asarray(capture.numpy())
    # The bytes of a string array (dtype object) are pointers.
    content = repr(array.tolist()) if array.dtype == object else array.tobytes()
    return array.dtype, array.shape, content


def _descriptions(old: Trace, new: Trace) -> Iterator[str]:
    """Yields descriptions of a difference, the most telling first."""
    yield from _exchange("updates", new.updated, old.updated)
    yield from _exchange("uses", new.variables, old.variables)
    if [op.node.op for op in old.operations] != [op.node.op for op in new.operations]:
        yield from _exchange("runs", *_unmatched(new.operations, old.operations))
    yield from (clause for _, clause in sorted(_changes(old, new), key=lambda change: change[0]))


def _changes(old: Trace, new: Trace) -> Iterator[tuple[int, str]]:
    """Yields ranked descriptions of changed operations, up to the first change of type."""
    for was, op in zip(old.operations, new.operations, strict=False):
        if was.node.op != op.node.op:
            return
        before, now = old.facts(was), new.facts(op)
        for subject in sorted(before.keys() & now.keys()):
            if before[subject][0] != now[subject][0]:
                text, was_text = _text(*now[subject]), _text(*before[subject])
                both = text and was_text and text != was_text
                change = f"is {text} and was {was_text}" if both else "has changed"
                # The shortest constant first: 0.9 was written, 1.1111112 was computed from it.
                rank = len(change) if subject == "the constant" else 10 * MAX_TEXT
                yield rank, f"{subject} {_quoted(op.path)} {change}"


def _text(value: Any, name: str | None) -> str:
    """Returns the quoted name, or without one the attribute value as text, or "" if too long."""
    if name is not None:
        return name and _quoted(name)
    tensor = tf.make_ndarray(value.tensor)[()] if value.HasField("tensor") else None
    text = ", ".join(re.findall(": (.+)", str(value))) if tensor is None else str(tensor)
    return text if len(text) <= MAX_TEXT and "\n" not in text else ""


def _unmatched(new: list[Operation], old: list[Operation]) -> tuple[Paths, Paths]:
    """Returns the operations that only one of the traces has."""
    # The second pass ignores numbers: a layer made in `call` gets a new number each time.
    for numbers in ("$", r"(_\d+)+(?=/|$)"):
        new, old = _without(new, old, numbers), _without(old, new, numbers)
    return {id(op): op.path for op in new}, {id(op): op.path for op in old}


def _without(some: list[Operation], others: list[Operation], numbers: str) -> list[Operation]:
    left = Counter((op.node.op, re.sub(numbers, "", op.path)) for op in others)
    rest = []
    for op in some:
        key = op.node.op, re.sub(numbers, "", op.path)
        left[key] -= 1
        if left[key] < 0:
            rest.append(op)
    return sorted(rest, key=lambda op: op.node.op in PLUMBING)


def _exchange(verb: str, new: Paths, old: Paths) -> Iterator[str]:
    gained = [path for key, path in new.items() if key not in old]
    lost = [path for key, path in old.items() if key not in new]
    if gained and lost:
        other = "another of that name" if gained[0] == lost[0] else _listed(lost, 1)
        yield f"it {verb} {_listed(gained, 1)} instead of {other}"
    elif gained:
        yield f"it also {verb} {_listed(gained, 2)}"
    elif lost:
        yield f"it no longer {verb} {_listed(lost, 2)}"


def _listed(paths: list[str], most: int) -> str:
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(map(_quoted, paths[:most])) + more


def _quoted(path: str) -> str:
    return f"'{path}'" if len(path) <= MAX_NAME else f"'...{path[3 - MAX_NAME :]}'"
