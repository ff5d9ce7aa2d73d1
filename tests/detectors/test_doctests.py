"""The examples in the docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import detectors
from detectors.registry import BUILT_IN

MODULES = [
    module.name
    for module in pkgutil.walk_packages(detectors.__path__, "detectors.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.name)
def test_every_detector_has_an_example(kind: type) -> None:
    assert doctest.DocTestParser().get_examples(kind.__doc__ or "")
