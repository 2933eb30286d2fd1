"""Figures of records, one per file: functions from records and Matplotlib axes to the axes.

A figure only draws measured values. It does not compute statistics, set a style or save a file:
these are up to the caller.
"""
