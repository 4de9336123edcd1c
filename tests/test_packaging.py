"""The lock file, pyproject.toml and environment.yml say the same."""

import re
import tomllib
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
