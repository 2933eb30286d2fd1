"""Trains a deep sigmoid network unchanged and with each remedy."""

import math
from dataclasses import asdict
from typing import Any

from experiments.common import mlp
from experiments.common.outcome import Outcome, Results
from experiments.common.session import Session
from experiments.common.sweep import Work
from experiments.remedies.expected import TRAINS, checks
from experiments.remedies.figure import draw
from experiments.remedies.remedies import REMEDIES, UNCHANGED


def run(session: Session) -> Outcome:
    """Trains the unchanged network and one with each remedy."""
    settings = mlp.settings(session.options, session.digits)
    found = session.sweep(train, [(name, settings) for name in REMEDIES])
    results = dict(zip(REMEDIES, found, strict=True))
    compared = [*checks(results, settings.depth, session.digits.share_of_one_answer)]
    changed = {name: remedy.settings for name, remedy in REMEDIES.items() if remedy.settings}
    figure = draw(results, title(session.digits.name, settings))
    chosen = {UNCHANGED: asdict(settings), **changed}
    return Outcome(ANSWER, compared, results, chosen, figure, findings(results))


def train(run: tuple[str, mlp.Settings], work: Work) -> dict[str, Any]:
    """Trains the network with one remedy and returns what the monitor recorded."""
    remedy, settings = run
    mlp.begin(settings.seed)
    trained = mlp.train(REMEDIES[remedy].build(settings), settings, work, activations=False)
    first = trained.records[0]
    return {
        "gradient": [first.gradients[path].norm for path in trained.kernels],
        "update_ratio": [first.update_ratio(path) for path in trained.kernels],
        "decades_lost": trained.decades_lost(first),
        "accuracy": [100 * value for value in trained.history["val_accuracy"]],
    }


def title(data: str, unchanged: mlp.Settings) -> str:
    """Returns the settings of the unchanged network, and those that a remedy changes."""
    changes = []
    for name, remedy in REMEDIES.items():
        changed = [f"{key.replace('_', ' ')} {value}" for key, value in remedy.settings.items()]
        changes += [f"{name}: {', '.join(changed)}"] if changed else []
    return f"{data}; unchanged: {unchanged}\n{'; '.join(changes)}"


ANSWER = f"""\
The unchanged sigmoid network reaches {{test accuracy of the unchanged network}} test accuracy. \
Remedies that bring it to at least {TRAINS:.0f}% within this budget: {{remedies that work}}. \
Remedies that do not: {{remedies that do not work}}. At the first step, the gradient of the first \
hidden layer relative to that of the last is {{gradient of the first hidden layer / of the last}}. \
Two remedies change the updates instead of the gradients: relative to the unchanged network, the \
first hidden layer's update is larger by a factor of {{update of the first hidden layer}}."""


def findings(results: Results) -> dict[str, str]:
    """Returns the parts of the answer, by name."""
    accuracy = {name: result["accuracy"][-1] for name, result in results.items()}
    works = [name for name in results if accuracy[name] >= TRAINS]
    fails = [name for name in results if name not in [UNCHANGED, *works]]
    lost = {name: result["decades_lost"] for name, result in results.items()}
    kept = [name for name in results if math.isclose(lost[name], lost[UNCHANGED], rel_tol=1e-3)]
    changed = [name for name in results if name == UNCHANGED or name not in kept]
    gradients = [f"{10 ** -lost[name]:.2g} ({name})" for name in changed]
    update = {name: result["update_ratio"][0] for name, result in results.items()}
    faster = {name: update[name] / update[UNCHANGED] for name in kept if name != UNCHANGED}
    updates = [f"{factor:,.0f} ({name})" for name, factor in faster.items()]
    return {
        "test accuracy of the unchanged network": f"{accuracy[UNCHANGED]:.2f}%",
        "remedies that work": ", ".join(works) or "none",
        "remedies that do not work": ", ".join(fails) or "none",
        "gradient of the first hidden layer / of the last": ", ".join(gradients),
        "update of the first hidden layer": ", ".join(updates),
    }
