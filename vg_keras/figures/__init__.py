"""Figures of training runs, for notebooks and reports.

    from vg_keras import figures, read_run

    figures.gradient_flow(read_run("logs").latest)

Each function takes one training run or several, which are drawn side by side or as one line each on
the same scale. Training runs are given names by a mapping, such as `{"sigmoid": one, "ReLU":
other}`. Whatever is drawn can be drawn into axes of the caller.

A figure only draws measured values. It computes no statistics, sets no style and saves no file.
"""

from vg_keras.figures.by_depth import by_depth
from vg_keras.figures.by_step import by_step
from vg_keras.figures.gradient_flow import gradient_flow
from vg_keras.figures.loss import loss

__all__ = ["by_depth", "by_step", "gradient_flow", "loss"]
