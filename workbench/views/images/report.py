"""Page of a run of a classifier of small images: errors and distance ratios while it trained."""

from workbench.runs import Run
from workbench.views import wording
from workbench.views.figures import charts
from workbench.views.images.through import through_charts
from workbench.views.report import Content
from workbench.views.training.curves import raw_and_smooth


def content(run: Run) -> Content:
    """Content of the page of a run of images."""
    config, metrics = run.config, run.metrics()
    drawn = [] if "loss" not in metrics else [raw_and_smooth(metrics["loss"], "Loss", "nats")]
    if "test_error" in metrics:
        drawn += through_charts({config["seed"]: metrics.dropna(subset=["held_out_error"])})
    elif "held_out_error" in metrics:
        drawn.append(
            raw_and_smooth(100 * metrics["held_out_error"].dropna(), "Held-out error", "%")
        )
    pooling = config.get("pooling")
    layers = f"Four convolutions, pooling {pooling!r}" if pooling else "Three convolutions"
    return Content(
        headline=f"A classifier of small images, width {config['width']}",
        summary=f"{layers} and a linear classifier, from random weights. Trained "
        f"{wording.training(config, 'image')}.",
        curves=charts(drawn),
    )
