"""The API reference: pdoc renders it without a complaint, and nothing public is left without a word."""

import importlib
import warnings
from collections.abc import Iterator

import pytest

pdoc = pytest.importorskip("pdoc", reason="pdoc is not installed: it comes with the extra `lint`")

# What `pdoc` is called with to build the reference. `AsyncTechLadder.call_batches` is a `CallBatches`.
MODULES = (
    "techladder_async",
    "techladder_async._resources.call_batches",
    "techladder_async.errors",
    "techladder_async.models",
    "techladder_async.hooks",
    "techladder_async.sandbox",
    "techladder_async.pytest_plugin",
    "techladder_async.cli",
    "techladder_async.otel",
    "techladder_async.fastapi",
)
EXTRAS = {"techladder_async.otel": "opentelemetry", "techladder_async.fastapi": "fastapi"}


def _documented(name):
    """Return pdoc's view of a module. Skip where an extra is missing."""
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name], reason=f"{EXTRAS[name]} is not installed")
    return pdoc.doc.Module.from_name(name)


def _members(namespace: pdoc.doc.Namespace) -> Iterator[pdoc.doc.Doc]:
    """Give the public members, and those of public classes as far as they are the package's own."""
    for member in namespace.own_members:
        if member.name.startswith("_") and member.name != "__version__":
            continue
        yield member
        if isinstance(member, pdoc.doc.Class):
            yield from _members(member)


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_has_a_docstring(name):
    """Each public name, method, property, field and enum member says what it is, there or in the module's docstring."""
    module = _documented(name)
    assert module.docstring
    silent = [member.qualname for member in _members(module) if not member.docstring]
    # pdoc shows an alias that comes from a private module without its text: the module explains it.
    assert [member for member in silent if "." in member or member not in module.docstring] == []


@pytest.mark.parametrize("name", MODULES)
def test_the_reference_names_everything(name):
    """Every name of a module's `__all__` is in its reference."""
    public = getattr(importlib.import_module(name), "__all__", ())
    assert set(public) <= {member.name for member in _documented(name).members.values()}


def test_the_reference_is_built(tmp_path):
    """Building the whole reference warns of nothing, and the guide's names are in it."""
    for extra in EXTRAS.values():
        pytest.importorskip(extra, reason=f"{extra} is not installed")
    pdoc.render.configure(docformat="google")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdoc.pdoc(*MODULES, output_directory=tmp_path)
    start = (tmp_path / "techladder_async.html").read_text("utf-8")
    for name in importlib.import_module("techladder_async").__all__:
        assert f'id="{name}"' in start
    assert 'id="APIStatusError.retry_after"' in start
    assert 'id="CallBatches.list"' in (tmp_path / "techladder_async/_resources/call_batches.html").read_text("utf-8")
