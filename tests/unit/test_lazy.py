"""Packages that import their modules when something of them is used."""

from __future__ import annotations

import importlib
import operator
import subprocess
import sys
from types import ModuleType

import pytest

import mitosis
from mitosis import errors, hook, journal, lookups

PACKAGES = (mitosis, errors, hook, journal, lookups)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.__name__))
def test_package_offers_all_that_it_names(package: ModuleType) -> None:
    assert dir(package) == sorted(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.__name__))
def test_unknown_name_is_refused_as_by_any_module(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=rf"module '{package.__name__}' has no attribute 'nothing'"):
        operator.attrgetter("nothing")(package)
    with pytest.raises(ImportError):
        importlib.import_module(f"{package.__name__}.nothing")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.__name__))
def test_importing_the_package_imports_no_module_of_it(package: ModuleType) -> None:
    program = f"import sys, {package.__name__}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith(f"{package.__name__}.")}
    assert loaded <= {"mitosis.lazy"}


def test_a_name_once_imported_is_found_without_asking_again() -> None:
    assert errors.GitError is vars(errors)["GitError"]
