"""The page that is shipped is the one that its sources say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import ROOT

WEB = ROOT / "api" / "web"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@pytest.mark.timeout(300)
def test_the_committed_page_is_what_its_sources_build(tmp_path: Path) -> None:
    """``make web`` brings it up to date."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm: install Node 20 (Debian: apt-get install npm)")
    web = tmp_path / "web"
    shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("dist", "node_modules"))
    if (WEB / "node_modules").is_dir():
        (web / "node_modules").symlink_to(WEB / "node_modules")
    else:
        install = [npm, "ci", "--no-audit", "--no-fund"]
        if subprocess.run(install, cwd=web, check=False, capture_output=True).returncode != 0:
            pytest.skip("the page's packages could not be installed: npm --prefix api/web ci")
    built = subprocess.run([npm, "run", "build"], cwd=web, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout
    assert contents(web / "dist") == contents(WEB / "dist")
