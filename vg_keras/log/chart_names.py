"""Names the layers and variables of a model in charts, so that two models can be compared.

Keras counts the layers that have no name of their own over the whole process, so the same layer is
`sequential/dense_3` in one model and `sequential_1/dense_12` in the next. In charts it is
`04_dense` in both: its position in the model, from the input, and its name without Keras's counter.
The position also makes TensorBoard, which sorts by name, show the layers in their order.

Only tags and pictures use these names. Payloads and records have the paths of Keras.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from vg_keras.record import LayerDescription, ModelDescription


def chart_names(model: ModelDescription) -> dict[str, str]:
    """Returns a name for each layer and variable of a model, by path. All names differ.

    The name of the model is left out. The last part of a layer's path loses its number if it is the
    name that Keras gives to its class, such as `dense_3` for a Dense. The parts before it, whose
    classes are not known, are numbered from 1 among those of the same name: the blocks `block`,
    `block_1` of one model and `block_2`, `block_3` of the next are `block_1` and `block_2` in both.

    Args:
        model: The model.

    Example:
        >>> chart_names(model)  # doctest: +SKIP
        {"sequential_1/dense_7": "01_dense", "sequential_1/dense_7/kernel": "01_dense/kernel", ...}
    """
    paths = _without_model(model)
    outer = _outer_names(paths.values())
    digits = max(2, len(str(len(model.layers))))
    names: dict[str, str] = {}
    taken: set[str] = set()
    for position, layer in enumerate(model.layers, 1):
        number, own = f"{position:0{digits}}", paths[layer.path]
        around, _, last = own.rpartition("/")
        last = _automatic(last, layer) or last
        name = "/".join(part for part in (outer.get(around, around), last) if part)
        names.setdefault(layer.path, _unique(f"{number}_{name}", taken))
        inner = {v.path: _inner(v.path, layer) for v in layer.variables}
        outer_of_inner = _outer_names(inner.values())
        for path, rest in inner.items():
            around, _, last = rest.rpartition("/")
            rest = "/".join(part for part in (outer_of_inner.get(around, around), last) if part)
            names[path] = _unique(f"{number}_{name}/{rest}", taken)
    return names


def without_position(name: str) -> str:
    """Returns a name of `chart_names` without the position that it begins with."""
    return re.sub(r"^\d+_", "", name)


def _without_model(model: ModelDescription) -> dict[str, str]:
    """Returns the layers' paths without the name of the model, if all of them begin with it."""
    prefix = f"{model.name}/"
    paths = [layer.path for layer in model.layers]
    if not all(path.startswith(prefix) or path == model.name for path in paths):
        return {path: path for path in paths}
    return {path: path.removeprefix(prefix) for path in paths}


def _inner(path: str, layer: LayerDescription) -> str:
    """Returns the part of a variable's path that follows the path of its layer."""
    prefix = f"{layer.path}/"
    return path.removeprefix(prefix) if path.startswith(prefix) else path.rpartition("/")[2]


def _automatic(name: str, layer: LayerDescription) -> str | None:
    """Returns the name that Keras derives from the class of a layer, if `name` is that.

    The same as `to_snake_case` of `keras/src/utils/naming.py`, tried with Keras 3.13 and 3.15.
    """
    snake = re.sub(r"\W+", "", layer.type)
    snake = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", snake)
    snake = re.sub("([a-z])([A-Z])", r"\1_\2", snake).lower()
    return snake if re.fullmatch(rf"{re.escape(snake)}(_\d+)?", name) else None


def _outer_names(paths: Iterable[str]) -> dict[str, str]:
    """Returns a name for each prefix of these paths, with numbers that begin at 1.

    A name that occurs once has no number.
    """
    parts = dict.fromkeys(
        prefix
        for path in paths
        for prefix in ("/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 1))
    )
    alike: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for part in parts:
        around, stem, number = _split(part)
        alike[around, stem].append(number)
    names = {"": ""}
    for part in parts:  # a prefix comes before those that it is a part of
        around, stem, number = _split(part)
        numbers = alike[around, stem]
        renamed = stem if len(numbers) == 1 else f"{stem}_{number - min(numbers) + 1}"
        names[part] = f"{names[around]}/{renamed}" if around else renamed
    return names


def _split(part: str) -> tuple[str, str, int]:
    """Splits a path into what precedes its last name, that name without number, and the number."""
    around, _, last = part.rpartition("/")
    found = re.fullmatch(r"(.+?)_(\d+)", last)
    return (around, found[1], int(found[2])) if found else (around, last, 0)


def _unique(name: str, taken: set[str]) -> str:
    unique, number = name, 1
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    taken.add(unique)
    return unique
