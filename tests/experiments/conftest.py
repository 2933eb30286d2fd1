"""What the tests of several experiments share."""

import pytest
from small_form import run_small


@pytest.fixture(scope="module")
def small(request, tmp_path_factory):
    """The results of the small form of the experiment that the file of the tests is named after."""
    name = request.module.__name__.removeprefix("test_").removesuffix("_experiment")
    return run_small(name, tmp_path_factory.mktemp(name))
