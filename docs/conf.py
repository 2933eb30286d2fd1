"""Renders the documentation as a site: `make docs`."""

import vg_keras

project = "vg_keras"
author = copyright = "The vg_keras developers"  # noqa: A001 - the name that Sphinx wants
release = version = vg_keras.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "vg_keras"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_use_ivar = True
default_role = "code"
