"""Decides which records are written with charts.

TensorBoard keeps 500 histograms and 1,000 scalars of a tag, chosen at random if there are more, so
writing more would be a waste. The payload that `read_run` reads is written with every record.
"""

from __future__ import annotations

from vg_keras.schedule import whole_number

MAX_HISTOGRAMS, MAX_SCALARS, MAX_TEXTS = 250, 500, 10
"""Number of records with charts before thinning begins: half of what TensorBoard keeps of a tag, to
leave room for later records. Of texts, TensorBoard keeps 10."""


class Thinning:
    """Selects all of the first items, then every second one, then every fourth, and so on.

    Args:
        num_all: Number of items to select before thinning begins. Each further stride selects a
            fifth of that, so ten times as many items add three or four fifths to the selection.
    """

    def __init__(self, num_all: int) -> None:
        self._num_all = num_all
        self._stride = 1
        self._left = num_all
        self._num_passed = 0

    def takes(self) -> bool:
        """Whether the next item is selected. Each call counts one item."""
        self._num_passed += 1
        if self._num_passed < self._stride:
            return False
        self._num_passed = 0
        self._left -= 1
        if not self._left:
            self._stride *= 2
            self._left = self._num_all // 5
        return True


class HistogramRhythm:
    """Decides which records have histograms, according to `histogram_freq`.

    Args:
        histogram_freq: None for every record, 0 for none, `n` for the first record of every `n`-th
            epoch.

    Raises:
        TypeError: If `histogram_freq` is neither None nor an integer.
        ValueError: If it is negative.
    """

    def __init__(self, histogram_freq: int | None) -> None:
        self._freq = _checked(histogram_freq)
        self.is_next = self.are_in_all
        """Whether the next record has histograms."""

    @property
    def are_in_all(self) -> bool:
        """Whether every record has histograms."""
        return self._freq is None

    def begin_epoch(self, epoch: int) -> None:
        """Begins an epoch."""
        if self._freq and epoch % self._freq == 0:
            self.is_next = True

    def copied(self) -> HistogramRhythm:
        """Returns a new rhythm with the same frequency."""
        return HistogramRhythm(self._freq)

    def pass_on(self) -> None:
        """Moves on to the next record."""
        self.is_next = self.are_in_all


def _checked(histogram_freq: int | None) -> int | None:
    if histogram_freq is None:
        return None
    expected = "`histogram_freq` must be a number of epochs, 0 for no histograms, or None for all."
    received = f"Received: histogram_freq={histogram_freq!r}."
    try:
        freq = whole_number(histogram_freq)
    except TypeError:
        raise TypeError(f"{expected} {received}") from None
    if freq < 0:
        raise ValueError(f"{expected} {received}")
    return freq
