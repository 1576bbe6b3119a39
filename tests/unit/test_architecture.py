"""The architecture's rules, as tests that fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[2]
OURS = ("sightline", "services", "stream_processors", "api")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*OURS, include_external_packages=True, cache_dir=None)


def test_the_layers_hold() -> None:
    """No package imports upwards or sideways, and each module of services has its layer (.importlinter)."""
    assert lint_imports(config_filename=str(ROOT / ".importlinter"), cache_dir=None) == 0


def test_the_domain_needs_only_the_standard_library_numpy_and_xxhash(graph: grimp.ImportGraph) -> None:
    """No clock, no I/O, no framework: what decides numbers is a function."""
    allowed = sys.stdlib_module_names | {"numpy", "xxhash"}
    inside = {"services.domain", *graph.find_descendants("services.domain")}
    foreign = {
        f"{module} imports {imported}"
        for module in inside
        for imported in graph.find_modules_directly_imported_by(module)
        if imported not in inside and imported.partition(".")[0] not in allowed
    }
    assert foreign == set()


def test_api_and_processors_are_handed_their_adapters(graph: grimp.ImportGraph) -> None:
    """They see ports; which adapter stands behind one is the command's business."""
    inner = {"services.adapters", "services.wiring"}
    found = {
        f"{module} imports {imported}"
        for package in ("api", "stream_processors")
        for module in {package, *graph.find_descendants(package)}
        for imported in graph.find_modules_directly_imported_by(module)
        if any(imported == name or imported.startswith(f"{name}.") for name in inner)
    }
    assert found == set()


def top_level_names(distribution: Distribution) -> Iterator[str]:
    for file in distribution.files or []:
        if len(file.parts) > 1 or file.suffix == ".py":
            yield file.parts[0].removesuffix(".py")


def test_no_other_distribution_claims_our_import_names() -> None:
    """``services`` and ``api`` are common words: another package of that name would overwrite ours in silence."""
    claims = {
        (name, each.name)
        for each in distributions()
        if each.name != "sightline"
        for name in set(top_level_names(each)) & set(OURS)
    }
    assert claims == set()


def test_the_wheel_carries_the_page_and_the_examples(tmp_path: Path) -> None:
    """A user needs neither Node nor a clone; tests and tools stay outside."""
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, cwd=ROOT, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    listing = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)], check=True, capture_output=True, text=True
    ).stdout
    names = {line.split()[0] for line in listing.splitlines()[1:]}
    assert {"api/web/dist/index.html", "sightline/cli/__init__.py"} <= names
    assert any(name.startswith("sightline/examples/demo/") for name in names)
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == set(OURS)
    assert not [name for name in names if "node_modules" in name]
