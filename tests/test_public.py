"""The public names, what importing the package loads, the direction of imports, and what a wheel holds."""

import ast
import importlib.metadata
import json
import pathlib
import subprocess
import sys
import zipfile

import pytest

import techladder_async

ROOT = pathlib.Path(techladder_async.__file__).parent
ERRORS = {
    "TechLadderError", "ConfigurationError", "APIConnectionError", "APITimeoutError", "ResponseDecodeError",
    "PaginationError", "APIStatusError", "BadRequestError", "AuthenticationError", "PermissionDeniedError",
    "NotFoundError", "ValidationError", "RateLimitError", "ServerError",
}  # fmt: skip
NAMES = ERRORS | {
    "AsyncTechLadder", "Paginator", "Page", "WalkReport", "CallBatch", "BatchStatus", "StartMode", "RetryPolicy",
    "RetryMiddleware", "RateLimitMiddleware", "Attempt", "Request", "Response", "Handler", "Middleware", "__version__",
}  # fmt: skip
OPTIONAL = ["__main__", "cli", "fastapi", "pytest_plugin", "otel", "sandbox"]
CORE = [
    "_client", "_resources", "_api", "_lifetime", "_pagination", "_exact", "_aim", "_chain", "_walk", "_plan",
    "_pydantic", "models", "_quick", "_decode", "_envelope", "_page", "_switch", "_middleware", "hooks", "_transport",
    "_pool", "_time_limit", "_config", "_body", "_backoff", "_limits", "_version", "errors", "_wire", "_text",
]  # fmt: skip
LAYERS = [*OPTIONAL, "__init__", *CORE]
"""From left to right. A layer imports only what stands to its right."""
CALLED_BY_PYDANTIC = {("_page", "_pydantic"), ("models", "_pydantic")}
"""These import to their left, but only when pydantic calls them: it looks for its hooks on the classes themselves."""
NOT_LOADED = [
    "typer", "rich", "click", "fastapi", "starlette", "pydantic", "uvicorn", "pytest", "opentelemetry", "httpx",
    "uvloop", "cattrs", "msgspec", *[f"techladder_async.{name}" for name in OPTIONAL],
]  # fmt: skip


def files():
    """Return the package's modules with the layer that each belongs to."""
    found = sorted(ROOT.rglob("*.py"))
    return [(file, file.relative_to(ROOT).parts[0].removesuffix(".py")) for file in found]


def is_for_type_checkers(node):
    """Tell whether a node is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(node, *, at_run_time=False):
    """Return every import statement below a node, those in functions included."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [node]
    children = node.orelse if at_run_time and is_for_type_checkers(node) else ast.iter_child_nodes(node)
    return [found for child in children for found in imports(child, at_run_time=at_run_time)]


def absolute(statement, file):
    """Return the full names of the modules that a statement may import."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    package = ("techladder_async", *file.relative_to(ROOT).parent.parts)
    start = package[: len(package) - statement.level + 1] if statement.level else ()
    module = ".".join([*start, *([statement.module] if statement.module else [])])
    return [f"{module}.{alias.name}" for alias in statement.names]


def layer_of(name):
    """Return the layer that a module of this package belongs to, or `None` for another package's."""
    package, _, inner = name.partition(".")
    if package != "techladder_async":
        return None
    first = inner.partition(".")[0]
    is_module = (ROOT / first).is_dir() or (ROOT / f"{first}.py").exists()
    return first if first and is_module else "__init__"


def run(code, *arguments):
    """Run Python code in a process of its own, and return what it prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_names():
    """Every name of the contract is public, and no other."""
    assert set(techladder_async.__all__) == NAMES
    assert list(techladder_async.__all__) == sorted(techladder_async.__all__)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_name_is_there(name):
    """Each public name can be imported."""
    assert getattr(techladder_async, name) is not None


def test_unknown_name():
    """A name that is not there is an `AttributeError`, as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'AsyncTechladder'"):
        _ = techladder_async.AsyncTechladder


def test_version():
    """The version is the one of the metadata."""
    assert techladder_async.__version__ == importlib.metadata.version("techladder_async")


def test_import_loads_no_extra():
    """Importing the package loads none of the extras, nor what only decoding needs."""
    loaded = set(json.loads(run("import sys, json, techladder_async; print(json.dumps(list(sys.modules)))")))
    assert "techladder_async._client" in loaded
    assert loaded.isdisjoint(NOT_LOADED)


def test_converter_comes_when_it_is_asked_for():
    """`techladder_async.models.converter` is what first loads cattrs."""
    code = (
        "import sys; from techladder_async import models; assert 'cattrs' not in sys.modules;"
        "models.converter; print('cattrs' in sys.modules)"
    )
    assert run(code).strip() == "True"


def test_every_module_has_its_layer():
    """No module is without a place in the table, and none in the table is gone."""
    assert {layer for _, layer in files()} == set(LAYERS)


@pytest.mark.parametrize(("file", "layer"), files(), ids=lambda value: value.stem if hasattr(value, "stem") else value)
def test_direction_of_imports(file, layer):
    """A module imports only from layers to its right, for type checkers and inside functions too."""
    wanted = {
        layer_of(name)
        for statement in imports(ast.parse(file.read_text("utf-8")))
        for name in absolute(statement, file)
    } - {None, layer}
    wrong = {other for other in wanted if LAYERS.index(other) < LAYERS.index(layer)}
    assert {(layer, other) for other in wrong} <= CALLED_BY_PYDANTIC


def test_only_the_transport_imports_aiohttp():
    """At run time, the transport and its pool alone of the core know aiohttp."""
    users = {
        layer
        for file, layer in files()
        for statement in imports(ast.parse(file.read_text("utf-8")), at_run_time=True)
        for name in absolute(statement, file)
        if layer in CORE and name.partition(".")[0] == "aiohttp"
    }
    assert users == {"_transport", "_pool"}


def test_typed():
    """The package says that it is typed."""
    assert (ROOT / "py.typed").is_file()


def test_wheel(tmp_path):
    """A wheel holds every module of the package, its marker and licence, and nothing else."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    if not (ROOT.parent / "pyproject.toml").exists():
        pytest.skip("the sources are not here: the package is installed")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT.parent, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    own = {name for name in held if ".dist-info/" not in name}
    assert {f"techladder_async/{file.relative_to(ROOT).as_posix()}" for file, _ in files()} <= own
    assert "techladder_async/py.typed" in own
    assert {name.partition("/")[0] for name in own} == {"techladder_async"}
    assert not [name for name in own if "__pycache__" in name or name.endswith(".pyc")]
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)
