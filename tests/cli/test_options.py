"""Options made of configurations: every field has its help, and what is read is what fits it."""

from dataclasses import fields
from typing import Any

import click
import pytest
from click.testing import CliRunner

from workbench.cli.options import attributes_of, decorated, options_of
from workbench.models import ArchitectureConfig
from workbench.models.regions import RegionArchitecture
from workbench.training.regions.config import RegionConfig
from workbench.training.scenes.config import DeepNCutsConfig

CONFIG = DeepNCutsConfig(store="", crop=0.5)


@pytest.mark.parametrize(
    "kind", [ArchitectureConfig, DeepNCutsConfig, RegionArchitecture, RegionConfig]
)
def test_the_docstring_says_of_every_field_what_it_is(kind: type[Any]) -> None:
    words = attributes_of(kind)
    assert {field.name for field in fields(kind)} <= words.keys()
    assert all(text.endswith(".") and "None:" not in text for text in words.values())


def asked(*arguments: str) -> dict[str, Any]:
    """Values that a command with a few of the options is given."""
    given: dict[str, Any] = {}
    names = ("objective", "scales", "crop", "frozen", "cache", "passes")

    @click.command()
    @decorated(*options_of(CONFIG, *names), *options_of(CONFIG.architecture, "taps"))
    def command(**options: Any) -> None:
        given.update(options)

    result = CliRunner().invoke(command, list(arguments))
    if result.exit_code:
        raise click.UsageError(result.output)
    return given


def test_defaults_are_the_configurations() -> None:
    assert asked() == {
        "objective": "j2", "scales": (1.0, 1.0), "crop": 0.5, "frozen": False, "cache": None,
        "passes": 8, "taps": ("relu5",),
    }  # fmt: skip


def test_values_are_read_by_the_type_of_the_field() -> None:
    given = asked("--scales", "0.5", "2", "--frozen", "--taps", "a", "--taps", "b", "--passes", "3")
    assert (given["scales"], given["frozen"], given["taps"]) == ((0.5, 2.0), True, ("a", "b"))
    assert given["passes"] == 3


@pytest.mark.parametrize("wrong", [("--objective", "j3"), ("--passes", "1.5"), ("--scales", "1")])
def test_what_the_type_does_not_allow_is_refused(wrong: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        asked(*wrong)
