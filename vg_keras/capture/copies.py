"""Copies tensors of a graph so that reading them does not change how TensorFlow rounds the rest.

Grappler, TensorFlow's graph optimizer, fuses operations whose result has no other reader: a MatMul
with its BiasAdd and a following tanh, or a chain of additions into one AddN. The fused operation
differs in the last bits. If the monitor read the tensor in between, Grappler could not fuse, and
recorded steps would be rounded differently from all others.

So such a tensor is not read. Instead, a function that is not inlined recomputes it, from tensors
that have several readers anyway, and the copy is read. Few tensors need this: if the backward pass
also reads an output, as for most layers, it can't be fused away.

Tested with TensorFlow 2.21 on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tensorflow as tf

_CHUNK = 32
"""Maximum number of copies that one function makes. They are all in memory at once."""

_MAX_CONSTANT_BYTES = 4096
"""Size limit for copying a constant into the function. A larger constant is read directly."""

_CALLS = {
    *("PartitionedCall", "StatefulPartitionedCall", "SymbolicGradient"),
    *("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase"),
    *("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"),
    *("Placeholder", "PlaceholderWithDefault"),
}
"""Operations that can't be copied."""

_CHEAP = {
    *("Add", "AddV2", "AddN", "Sub", "Mul", "Div", "RealDiv", "DivNoNan", "Neg", "Square"),
    *("Reciprocal", "Sqrt", "Rsqrt", "Maximum", "Minimum", "Tanh", "Sigmoid", "Relu"),
    *("Cast", "Identity", "Snapshot", "StopGradient", "Select", "SelectV2", "Const"),
    *("Reshape", "Transpose", "ExpandDims", "Squeeze", "BroadcastTo"),
}
"""Operations of the backward pass that Grappler rewrites and that are cheap to repeat."""

_SHAPE_READERS = {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"}
"""Operations that don't read the values of their input."""


def copies(tensors: Sequence[tf.Tensor], roots: Iterable[tf.Operation]) -> list[tf.Tensor]:
    """Returns tensors with the same values, safe to read.

    Args:
        tensors: Tensors of the graph that is being traced.
        roots: The operations that the step runs whether or not it is monitored.

    Returns:
        For each tensor a copy, or the tensor itself if reading it changes nothing.
    """
    live = _behind(roots)
    safe = {t.name: t for t in tensors if _may_be_read(t, live)}
    hidden = {t.name: t for t in tensors if t.name not in safe}
    # Forward and backward tensors separately: the former need not wait for the latter.
    forward = [t for t in hidden.values() if not _is_backward(t.op)]
    backward = [t for t in hidden.values() if _is_backward(t.op)]
    for group in (forward, backward):
        for start in range(0, len(group), _CHUNK):
            chunk = group[start : start + _CHUNK]
            safe |= dict(zip((t.name for t in chunk), _copied(chunk, live), strict=True))
    return [safe[t.name] for t in tensors]


def _behind(roots: Iterable[tf.Operation]) -> set[tf.Operation]:
    """Returns the operations that the roots depend on, including the roots."""
    found: set[tf.Operation] = set()
    ahead = list(roots)
    while ahead:
        operation = ahead.pop()
        if operation not in found:
            found.add(operation)
            ahead += [tensor.op for tensor in operation.inputs]
            ahead += operation.control_inputs
    return found


def _may_be_read(tensor: tf.Tensor, live: set[tf.Operation]) -> bool:
    """Whether an additional reader of a tensor leaves the rounding unchanged."""
    operation = tensor.op
    if not _can_be_copied(operation):
        return True
    if operation not in live:
        return False  # it would not be computed without the reader
    readers = {
        (reader.type, tuple(map(id, reader.inputs))): reader
        for reader in tensor.consumers()
        if reader in live and reader.type not in _SHAPE_READERS
    }
    # Two identical readers may be merged into one. A forward tensor needs a backward reader: two
    # forward readers may both become part of a fused operation.
    has_others = len(readers) > 1 and any(map(_is_backward, (operation, *readers.values())))
    return has_others or (_is_backward(operation) and operation.type not in _CHEAP)


def _can_be_copied(operation: tf.Operation) -> bool:
    if operation.type in _CALLS or operation.op_def is None or operation.op_def.is_stateful:
        return False
    if any(attribute.type in ("func", "list(func)") for attribute in operation.op_def.attr):
        return False
    return operation.type != "Const" or operation.node_def.ByteSize() <= _MAX_CONSTANT_BYTES


def _is_backward(operation: tf.Operation) -> bool:
    # The name scopes of `tf.GradientTape` and of `tf.gradients`.
    return "gradient_tape/" in operation.name or "gradients/" in operation.name


def _copied(tensors: list[tf.Tensor], live: set[tf.Operation]) -> list[tf.Tensor]:
    """Returns tensors recomputed in a function that is not inlined."""
    operations, inputs = _recipe(tensors, live)
    names = [tensor.name for tensor in tensors]

    @tf.function(autograph=False, experimental_attributes={"_noinline": True})
    def computed_again(*values: tf.Tensor) -> list[tf.Tensor]:
        given = dict(zip(inputs, values, strict=True))
        return tf.graph_util.import_graph_def(_graph_of(operations), given, names, name="copy")

    return list(computed_again(*inputs.values()))


def _recipe(
    tensors: list[tf.Tensor], live: set[tf.Operation]
) -> tuple[dict[str, tf.Operation], dict[str, tf.Tensor]]:
    """Returns the operations that recompute tensors, and their inputs, both by name."""
    operations: dict[str, tf.Operation] = {}
    inputs: dict[str, tf.Tensor] = {}
    ahead = list(tensors)
    while ahead:
        operation = ahead.pop().op
        if operation.name in operations:
            continue
        operations[operation.name] = operation
        for tensor in operation.inputs:
            if _may_be_read(tensor, live):
                inputs[tensor.name] = tensor
            else:
                ahead.append(tensor)
    return operations, inputs


def _graph_of(operations: dict[str, tf.Operation]) -> tf.compat.v1.GraphDef:
    """Returns the definition of these operations, without that of their inputs."""
    graph = tf.compat.v1.GraphDef()
    for operation in operations.values():
        node = graph.node.add()
        node.CopyFrom(operation.node_def)
        node.attr.pop("_class", None)  # refers to the device of an operation that is not here
        del node.input[:]
        node.input.extend(tensor.name for tensor in operation.inputs)
    return graph
