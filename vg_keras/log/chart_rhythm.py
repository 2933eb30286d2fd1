"""With which records charts are written: numbers alone.

TensorBoard keeps 500 histograms and 1,000 scalars of a tag, chosen at random where there are more.
So more than that on disk would be waste; the payload that `read_run` reads is in every record.
"""

from __future__ import annotations

import operator

MAX_HISTOGRAMS, MAX_SCALARS, MAX_TEXTS = 250, 500, 10
"""Records with charts before they become rarer: half of what TensorBoard keeps of a tag, so that
there is room for those that come later; of texts it keeps 10."""


class Thinning:
    """Takes all of the first things, then every second one, then every fourth, and so on.

    Args:
        num_all: How many are taken before they become rarer. Each further rhythm takes a fifth of
            that, so that ten times as many things are three or four fifths more that are taken.
    """

    def __init__(self, num_all: int) -> None:
        self._num_all = num_all
        self._stride = 1
        self._left = num_all
        self._num_passed = 0

    def takes(self) -> bool:
        """Returns whether the next thing is taken."""
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
    """Tells with which records histograms are written, as far as the user has a say in it.

    Args:
        histogram_freq: None for each record, 0 for none, and a positive integer for the first
            record of every so many epochs.

    Raises:
        TypeError: It is neither None nor an integer.
        ValueError: It is negative.
    """

    def __init__(self, histogram_freq: int | None) -> None:
        self._freq = _checked(histogram_freq)
        self.is_next = self.are_in_all
        """Whether the next record has histograms."""

    @property
    def are_in_all(self) -> bool:
        """Whether each record has histograms."""
        return self._freq is None

    def begin_epoch(self, epoch: int) -> None:
        """Says that an epoch begins."""
        if self._freq and epoch % self._freq == 0:
            self.is_next = True

    def copied(self) -> HistogramRhythm:
        """Returns a rhythm of the same frequency."""
        return HistogramRhythm(self._freq)

    def pass_on(self) -> None:
        """Says that there was a record."""
        self.is_next = self.are_in_all


def _checked(histogram_freq: int | None) -> int | None:
    if histogram_freq is None:
        return None
    expected = "`histogram_freq` must be a number of epochs, 0 for no histograms, or None for all."
    received = f"Received: histogram_freq={histogram_freq!r}."
    try:
        if isinstance(histogram_freq, bool):
            raise TypeError
        freq = operator.index(histogram_freq)
    except TypeError:
        raise TypeError(f"{expected} {received}") from None
    if freq < 0:
        raise ValueError(f"{expected} {received}")
    return freq
