"""`workbench bench` as far as it goes without measuring anything."""

import pytest

from workbench.cli import main


@pytest.mark.parametrize("which", ["layers", "ncuts", "clustering", "o2p", "geometry"])
def test_help_says_what_it_is_held_against(which: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        main(["bench", which, "--help"])
    assert status.value.code == 0
    out = capsys.readouterr().out
    for option in ("--quick", "--out", "--json", "--device", "--threads"):
        assert option in out
