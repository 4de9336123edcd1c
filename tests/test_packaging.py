"""The lock file, pyproject.toml and environment.yml say the same."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workbench.bench import peers

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKED = {
    canonicalize_name(name): pin
    for name, pin in re.findall(
        r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(), re.M
    )
}
REQUIREMENTS = [
    Requirement(text)
    for extra, group in {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}.items()
    for text in group
    if extra != "bench"  # peers to measure, which nothing of ours needs: pinned, and not locked
]


def test_lock_satisfies_pyproject() -> None:
    unmet = [
        str(each)
        for each in REQUIREMENTS
        if not each.specifier.contains(LOCKED[canonicalize_name(each.name)])
    ]
    assert not unmet


def test_environment_is_the_locked_one() -> None:
    assert {name: version(name).split("+")[0] for name in LOCKED} == LOCKED


def test_peers_of_the_benchmarks_are_pinned_as_they_are_named() -> None:
    named = {peer.requirement for peer in vars(peers).values() if isinstance(peer, peers.Peer)}
    assert set(PROJECT["optional-dependencies"]["bench"]) == named


def test_lock_pins_everything_exactly() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert all("==" in line for line in lines if line and not line.startswith("#"))


def test_conda_environment_installs_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, _, pip = environment["dependencies"]
    assert Requirement(PROJECT["name"] + PROJECT["requires-python"]).specifier.contains(
        python.split("=")[1] + ".0"
    )
    assert "-r requirements.lock" in pip["pip"]


def test_the_wheel_carries_the_notebooks(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = "from workbench.cli.notebooks import copy_notebooks as copy; from pathlib import Path; "
    code += "import workbench; print(workbench.__file__, copy(Path('mine')))"
    line = [sys.executable, "-c", code]
    found = subprocess.run(
        line, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert found.stdout.strip() == f"{tmp_path / 'site/workbench/__init__.py'} []"
    names = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {path.name for path in (tmp_path / "mine").glob("*.ipynb")} == names
    assert (tmp_path / "mine/results/table2/table2.json").is_file()
