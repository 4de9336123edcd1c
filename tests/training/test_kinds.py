"""One place tells kinds of runs apart, and a configuration is read with every type checked."""

from pathlib import Path
from typing import Any, get_args

import pytest

from workbench.errors import WorkbenchError
from workbench.runs import Run
from workbench.training.building import trained_model
from workbench.training.config import LoopConfig
from workbench.training.kinds import KINDS, Kind, Part, kind_name, kind_of
from workbench.training.regions.config import RegionConfig
from workbench.training.scenes.config import DeepNCutsConfig

CONFIGS = [DeepNCutsConfig(store="scenes.zarr"), RegionConfig(store="regions.zarr")]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_everything_that_a_kind_names_is_there(kind: Kind) -> None:
    stated = [part for part in get_args(Part) if getattr(kind, part) is not None]
    assert "report" in stated
    assert all(callable(kind.find(part)) for part in stated)
    assert kind.config is None or kind.find("config").kind == kind.name


def test_what_a_kind_does_not_have_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="can be trained, found one of kind probe"):
        KINDS["probe"].find("train")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config.kind))
def test_a_run_says_its_kind(config: LoopConfig, tmp_path: Path) -> None:
    kept = Run.create(tmp_path / "run", config.to_dict()).config
    assert kept["kind"] == config.kind
    older = {name: value for name, value in kept.items() if name != "kind"}
    for values in (kept, older):
        assert kind_of(values).find("config").from_dict(values) == config


@pytest.mark.parametrize("values", [{}, {"kind": "clouds"}])
def test_an_unknown_kind_is_refused_by_name(values: dict[str, Any]) -> None:
    with pytest.raises(WorkbenchError, match=r"or probe, found one (of clouds|that does)"):
        kind_of(values)
    assert kind_name(values) not in KINDS


def test_a_run_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", CONFIGS[0].to_dict())
    with pytest.raises(WorkbenchError, match="a run of regions, found one of scenes"):
        trained_model(run, RegionConfig)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"objective": "j3"}, "objective: .*j3"),
        ({"passes": "many"}, "passes: .*int.*str"),
        ({"architecture": {"taps": "relu5"}}, "architecture.taps"),
        ({"architecture": {"tap": "relu5"}}, "'architecture.tap', which it does not have"),
        ({"speed": 3}, "'speed', which it does not have"),
    ],
)
def test_what_a_configuration_cannot_be_is_refused_by_field(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(WorkbenchError, match=message):
        DeepNCutsConfig.from_dict({"store": "scenes.zarr"} | wrong)


def test_a_choice_that_there_is_not_is_refused_when_it_is_made() -> None:
    config = DeepNCutsConfig(store="scenes.zarr")
    object.__setattr__(config, "objective", "j3")  # jaxtyping's hook would refuse it earlier here
    with pytest.raises(WorkbenchError, match=r"objective of DeepNCutsConfig: 'j1' or 'j2'.*'j3'"):
        config.__post_init__()
