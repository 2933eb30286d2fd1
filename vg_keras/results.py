"""What a monitor gives its user: records, the verdict, a figure and a table.

`callback.py` fills it while the model trains.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from vg_keras.cost import Cost
from vg_keras.notebook_view import html
from vg_keras.printable import printable
from vg_keras.receiver import Receiver
from vg_keras.record import Record, Run
from vg_keras.recording import Recording
from vg_keras.rules.diagnosis import Diagnosis
from vg_keras.rules.verdict import Verdict
from vg_keras.tables import to_pandas

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


_MAX_LETTERS = 60
"""In a line of the title of a figure."""


class Results:
    """The results of a monitor; the base class of `GradientMonitor`."""

    _receiver: Receiver
    _recording: Recording

    @property
    def log_dir(self) -> str | None:
        """The directory of the TensorBoard log. A copy gets its own when training begins."""
        return self._receiver.log_dir

    @property
    def run(self) -> Run:
        """The training runs of this monitor, in the order in which they began."""
        return self._receiver.logs[0].run

    @property
    def records(self) -> list[Record]:
        """The records of the current model that are in memory, in step order."""
        return self._receiver.logs[0].records

    @property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """The problems of the current training run, the most serious first."""
        return self.verdict.diagnoses

    @property
    def verdict(self) -> Verdict:
        """The verdict on the current training run."""
        return self._receiver.logs[0].verdict

    def __repr__(self) -> str:
        """Returns how much was recorded, and how many problems were found."""
        verdict, log_dir = self.verdict, self.log_dir
        place = "in memory" if log_dir is None else f"in {log_dir}"
        number = len(verdict.diagnoses)
        problems = f"{number or 'no'} problem{'' if number == 1 else 's'}"
        return f"<GradientMonitor: {verdict.num_records} records {place}, {problems}>"

    def __str__(self) -> str:
        """Returns the verdict, and the command that shows the log."""
        command = self._receiver.log.command
        return str(self.verdict) + (f"\nTo look at it: {command}" if command else "")

    def _repr_html_(self) -> str:
        """Returns what a notebook shows: the verdict, a figure, and a table by layer."""
        run = self.run
        training = run.latest if run.trainings else None
        return html(str(self), training, self.verdict)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the norm of the gradient at the output of every layer, over the recorded steps.

        If outputs are not monitored, it is that of the gradient of every kernel.
        `vg_keras.figures` has other figures.

        Args:
            axes: The matplotlib axes to draw on; new ones by default.

        Returns:
            The axes.

        Raises:
            LookupError: If nothing has been recorded.
            ValueError: If no gradients are recorded.
        """
        from vg_keras.figures import gradient_flow

        axes = gradient_flow(self.run.latest, axes)
        title = textwrap.fill(printable(self.verdict.title), _MAX_LETTERS)
        axes.set_title(title, fontsize="medium", parse_math=False, usetex=False)
        return axes

    @property
    def probe_run(self) -> Run:
        """The training runs of the probe.

        Raises:
            ValueError: If the monitor has no probe.
        """
        _, *logs = self._receiver.logs
        if not logs:
            raise ValueError("This GradientMonitor has no probe: pass the argument `probe`.")
        return logs[0].run

    @property
    def probe_records(self) -> list[Record]:
        """The records of the probe that are in memory, in step order."""
        _, *logs = self._receiver.logs
        return logs[0].records if logs else []

    def to_pandas(self) -> pd.DataFrame:
        """Returns `records` as a table; see `vg_keras.tables.to_pandas`."""
        return to_pandas(self.records)

    @property
    def cost(self) -> Cost:
        """The cost of recording since the current model was first monitored."""
        return self._recording.cost
