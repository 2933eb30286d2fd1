"""Snapshots of everything that a monitor could leave behind in a model, to compare afterwards."""

import types


def attributes(model):
    """Every attribute of every layer and of the optimizer, and the regularizer of every variable.

    Excludes the `history` of the model, which each `fit` replaces.
    """
    layers = [model, *(layer for layer in model._flatten_layers() if layer is not model)]
    found = {"train_step of the model": model.train_step}
    for number, owner in enumerate([*layers, model.optimizer]):
        for name, value in vars(owner).items():
            found[f"{name} of {number} {owner.name}"] = value
    found.pop(f"history of 0 {model.name}", None)
    return found | {f"regularizer of {v.path}": v.regularizer for v in model.variables}


def changes(before, after):
    """Returns the names of all attributes that were replaced, removed or added."""
    nothing = object()
    return [
        name
        for name in before | after
        if not _same(before.get(name, nothing), after.get(name, nothing))
    ]


def _same(one, other):
    if isinstance(one, types.MethodType):  # Python creates a new object at each access
        return one == other
    return one is other
