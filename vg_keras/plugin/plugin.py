"""The plugin that TensorBoard loads: it answers the requests of the page.

TensorBoard imports this module whenever it starts, so it imports little; the rest is imported with
the first request. `http_api.md` describes the routes.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import Request, Response, wrappers

if TYPE_CHECKING:
    from vg_keras.plugin.requests import Answers

NAME = "vg_keras"
"""The name of the plugin in addresses; the same as `log.format.PLUGIN_NAME`."""

_STATIC = Path(__file__).parent / "static"
_TYPES = {".js": "application/javascript", ".css": "text/css"}


class GradientFlowPlugin(base_plugin.TBPlugin):
    """The tab "Gradient Flow".

    Args:
        context: What TensorBoard tells its plugins, such as the log directory.
    """

    plugin_name = NAME

    def __init__(self, context: base_plugin.TBContext) -> None:
        self._logdir = context.logdir or ""
        self._logdir_spec = str(getattr(context.flags, "logdir_spec", "") or "")

    @functools.cached_property
    def _answers(self) -> Answers:
        from vg_keras.plugin.requests import Answers

        return Answers(self._logdir, self._logdir_spec)

    def get_plugin_apps(self) -> dict[str, Any]:
        """Returns the application of each route: the requests for data, and the files."""
        files = [file for file in _STATIC.iterdir() if file.suffix in _TYPES]
        return {
            **{f"/{file.name}": _file(file) for file in files},
            "/runs": self._json(lambda query: self._answers.runs()),
            "/flow": self._json(lambda query: self._answers.flow(query)),
            "/histogram": self._json(lambda query: self._answers.histogram(query)),
        }

    def is_active(self) -> bool:
        """Whether there is anything to show, beyond what TensorBoard itself has found."""
        return False

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Returns the name of the tab, and the module that draws it."""
        return base_plugin.FrontendMetadata(
            es_module_path="/index.js", tab_name="Gradient Flow", disable_reload=True
        )

    def _json(self, answer: Callable[[Any], dict[str, Any]]) -> Any:
        @wrappers.Request.application
        def application(request: Request) -> Response:
            from vg_keras.plugin.requests import RefusedError

            try:
                content, code = answer(request.args), 200
            except RefusedError as error:
                content, code = {"error": str(error)}, error.code
            text = json.dumps(content, allow_nan=False, separators=(",", ":"))
            return http_util.Respond(request, text, "application/json", code=code)

        return application


def _file(path: Path) -> Any:
    @wrappers.Request.application
    def application(request: Request) -> Response:
        return http_util.Respond(request, path.read_bytes(), _TYPES[path.suffix])

    return application
