import importlib
import pkgutil
import subprocess
import sys

from mitosis import errors


def test_package_offers_every_class_of_its_modules() -> None:
    modules = [
        importlib.import_module(f"mitosis.errors.{found.name}") for found in pkgutil.iter_modules(errors.__path__)
    ]
    classes = {
        name
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert len(modules) > 5
    assert classes == {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert set(dir(errors)) == set(errors.__all__)


def test_a_name_loads_the_module_that_it_is_in_and_no_other() -> None:
    program = (
        "import sys\nfrom mitosis.errors import GitError\n"
        "print(*sorted(name for name in sys.modules if name.startswith('mitosis.errors.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mitosis.errors.base", "mitosis.errors.repository"]
