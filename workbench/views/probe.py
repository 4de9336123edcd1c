"""Report page of a probe: what was recorded, in words."""

from workbench.probe.result import Probe
from workbench.runs import Run
from workbench.views.report import Content


def content(run: Run) -> Content:
    """Content of the page of a probe."""
    found, config = Probe(run), run.config
    return Content(
        headline=f"A probe of {config['network']}",
        summary=f"Layers {', '.join(found.layers)} on {len(config['ids'])} images, "
        f"{config['images']}; features of {len(found.images)} are kept.",
        curves=[],
    )
