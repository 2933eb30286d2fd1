"""Experiments: one question each, run as `python -m experiments NAME`.

Each is a folder: its options (`__init__.py`), what it runs (`experiment.py`), its figure
(`figure.py`), the numbers to match (`expected.py`), and its results on this project's machine.
`common` is what several of them share.
"""
