"""Figures of records, one in a file: `(records, axes) -> axes`.

A figure draws what was measured and computes nothing. It sets no style and saves nothing: whoever
calls it owns the page.
"""
