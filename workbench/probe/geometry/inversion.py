"""Photographs recovered from a layer: an image whose features are those of a photograph.

    found = workbench.invert(model, photograph, "features.8")
    found.image, found.psnr, found.feature_error, found.words

Minimised over images x with values in [0, 1] is

    ‖f(x) − f(x₀)‖² / ‖f(x₀)‖² + λ TV(x),

f the network up to the layer, x₀ the photograph, TV the total variation (`total_variation`). The
layers behind are not computed. Pixels are x = ½ + ½ sin θ, and θ is free: values stay in [0, 1],
the objective stays smooth (L-BFGS with a line search needs that; clamping would break it), and
pixels reach 0 and 1 at finite θ, where a sigmoid's would not.

Source: Mahendran, Vedaldi, "Understanding Deep Image Representations by Inverting Them", CVPR 2015
(arXiv 1412.0035). Departures: values are bounded by the sine, not by a penalty of their norm; TV
has the exponent β = 1; L-BFGS in place of gradient descent with momentum; the start is one colour,
not noise.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.probe.capture import Capture, Select, named_layers, require_evaluation
from workbench.probe.geometry.inversion_result import Inversion, Outcome, Photograph, Step
from workbench.probe.preprocessing import Preprocessing, preprocessing_of

Optimiser = Literal["lbfgs", "adam"]

TV_WEIGHT = 0.0
"""Default weight λ of the total variation."""
EDGE = 1e-3
"""Step between neighbours below which total variation is quadratic, in units of [0, 1]."""
MARGIN = 0.01
"""Distance from 0 and 1 at which values of the start are kept: at the ends dx/dθ = 0."""
OFF_MEAN = 0.25
"""Default start above the mean, deviations: at the mean the network's input is 0, and there a
network without biases has no gradient."""
WINDOW, STALL = 20, 1e-3
"""An optimiser has stalled when its objective fell by less than this share in so many steps."""
ADAM_RATE = 0.05
"""Learning rate of Adam, radians of θ."""
SEARCH = 25
"""Largest number of evaluations of a line search."""
MEMORY = 50
"""Number of past steps from which L-BFGS estimates curvature."""


def invert(
    model: nn.Module,
    image: Any,
    layer: str,
    *,
    tv_weight: float = TV_WEIGHT,
    optimiser: Optimiser = "lbfgs",
    steps: int = 300,
    rate: float | None = None,
    tolerance: float = 0.01,
    start: Any = None,
    preprocessing: Any = None,
    output: Select | None = None,
    call: int | None = None,
    on_step: Callable[[int, Step], None] | None = None,
) -> Inversion:
    """Image whose features at a layer are those of a photograph.

    >>> found = workbench.invert(numbered_chain("vgg19"), photograph, "relu4")
    >>> print(found.words)

    Args:
        model: network in evaluation mode, on any device; it is not changed.
        image: photograph, (3, height, width) float tensor of RGB in [0, 1], taken at its size; or
            (height, width, 3) uint8, which the preprocessing resizes and crops.
        layer: name of the layer, as in `named_modules`.
        tv_weight: λ ≥ 0. An edge that changes every pixel's neighbours by .01 on average costs
            .01 λ, as much as a squared relative feature error of that size. With 0 the features can
            be met exactly; 0.3 gave VGG-19's photographs of 64×64 back best, at a feature error of
            some percent (notebooks/results/geometry/inversion.md).
        optimiser: "lbfgs" (strong Wolfe line search), or "adam".
        steps: largest number of steps of the optimiser.
        rate: length of a step: Adam's learning rate in radians of θ (default `ADAM_RATE`); L-BFGS's
            factor before the line search (default 1).
        tolerance: relative feature error at which it counts as converged, and ends.
        start: first image: one colour (3 values in [0, 1]) or (3, height, width); default: the
            preprocessing's mean and `OFF_MEAN` deviations, which knows nothing of the photograph.
        preprocessing: as `workbench.probe` takes it; mean and deviation normalise x. Default: the
            model's own, else ImageNet's.
        output: function from the layer's output to its tensor, where that is not one tensor.
        call: index of the run of a layer that runs several times.
        on_step: called after every step with its number and `Step`.

    Raises:
        WorkbenchError: no such layer, a model in training mode, values outside of [0, 1], NaN, an
            image too small for the layer, a layer whose features are all 0 or do not change.
    """
    _refuse_options(model, tv_weight, steps, tolerance)
    names = named_layers(model, layer)
    if names != [layer]:
        raise WorkbenchError("one layer", f"{layer!r}, which names {len(names)}", "name one")
    prepared = preprocessing_of(model, preprocessing)
    photograph = photograph_of(image, prepared)
    first = start_image(start, prepared, photograph)
    with torch.enable_grad(), Capture(model, [layer], output, call) as capture:
        objective = _Objective(model, capture, photograph, prepared, tv_weight)
        objective.refuse_blind(first)
        return _minimised(objective, first, layer, optimiser, steps, rate, tolerance, on_step)


def psnr(found: Photograph, photograph: Photograph) -> float:
    """Peak signal-to-noise ratio of an image in [0, 1], dB; infinite for equal ones."""
    error = float((found.double() - photograph.double()).square().mean())
    return float("inf") if error == 0 else -10 * float(np.log10(error))


def total_variation(image: Float[Tensor, "channels height width"]) -> Float[Tensor, ""]:
    """Mean over pixels and channels of the length of the step to the right and lower neighbours.

    √(dx² + dy² + EDGE²) − EDGE, so that it is smooth; there is no step past the border.
    """
    right = nn.functional.pad(image.diff(dim=2), (0, 1))
    down = nn.functional.pad(image.diff(dim=1), (0, 0, 0, 1))
    return ((right.square() + down.square() + EDGE**2).sqrt() - EDGE).mean()


def photograph_of(image: Any, preprocessing: Preprocessing) -> Photograph:
    """Photograph as (3, height, width) RGB in [0, 1], float32 on the CPU; see `invert`.

    Raises:
        WorkbenchError: it is neither form, or has NaN or values outside of [0, 1].
    """
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.shape[2:] == (3,):
        return torch.from_numpy(preprocessing.shown(image)).permute(2, 0, 1).float() / 255
    known = isinstance(image, Tensor) and image.is_floating_point() and image.dim() == 3
    if not known or len(image) != 3:
        shape = f" of {tuple(image.shape)}" if hasattr(image, "shape") else ""
        raise WorkbenchError(
            "a photograph: float tensor (3, height, width) of RGB in [0, 1], or uint8 array "
            "(height, width, 3)",
            f"{type(image).__name__}{shape}",
            "convert it first",
        )
    return _in_range(image.detach().float().cpu(), "a photograph")


def start_image(start: Any, preprocessing: Preprocessing, photograph: Photograph) -> Photograph:
    """First image of an inversion, one colour or an image; see `invert`.

    Raises:
        WorkbenchError: it is neither, or has NaN or values outside of [0, 1].
    """
    if start is None:
        mean, std = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std)
        start = (mean + OFF_MEAN * std).clamp(0, 1)
    values = torch.as_tensor(start, dtype=torch.float32).detach().cpu()
    if values.shape == (3,):
        values = values[:, None, None].expand_as(photograph)
    if values.shape != photograph.shape:
        raise WorkbenchError(
            f"a start: one colour (3 values), or an image of {tuple(photograph.shape)}",
            f"{tuple(values.shape)}",
            "give one of these, or leave it out",
        )
    return _in_range(values, "a start")


def _in_range(values: Tensor, of: str) -> Photograph:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # NaN too
        raise WorkbenchError(
            f"{of} of RGB values in [0, 1]",
            f"values from {low:.3g} to {high:.3g}",
            "give it before normalisation, divided by 255",
        )
    return values


def _refuse_options(model: nn.Module, tv_weight: float, steps: int, tolerance: float) -> None:
    require_evaluation(model)
    if not (tv_weight >= 0 and tolerance > 0 and steps >= 1):
        raise WorkbenchError(
            "a weight of at least 0, a tolerance above 0 and at least one step",
            f"weight {tv_weight}, tolerance {tolerance}, {steps} steps",
            "correct them",
        )


class _Objective:
    """Objective of an inversion as a function of θ, with the best image so far.

    Values and gradients of the last θ are kept: a step of L-BFGS begins where the one before ended.
    """

    def __init__(
        self,
        model: nn.Module,
        capture: Capture,
        photograph: Photograph,
        preprocessing: Preprocessing,
        tv_weight: float,
    ) -> None:
        like = next(model.parameters(), photograph)
        if not like.is_floating_point():
            like = photograph
        self._capture, self.tv_weight = capture, tv_weight
        self.photograph = photograph.to(like)
        self._mean, self._std = (
            torch.tensor(values)[:, None, None].to(like)
            for values in (preprocessing.mean, preprocessing.std)
        )
        with torch.no_grad():
            self._wanted = self._features(self.photograph).float()
        self._square = float(self._wanted.square().sum())
        self._refuse_unusable()
        self.evaluations = 0
        self._at: Tensor | None = None
        self._best = float("inf")

    def evaluate(self, theta: Tensor) -> tuple[float, Tensor, Step]:
        """Value, gradient (as θ), and error and PSNR of the image at θ."""
        if self._at is None or not torch.equal(self._at, theta):
            x = image_of(theta)
            error = self._error(x)
            total = error + self.tv_weight * total_variation(x) if self.tv_weight else error
            (gradient,) = torch.autograd.grad(total, theta)
            self._at, self.evaluations = theta.detach().clone(), self.evaluations + 1
            step = Step(float(error.detach()) ** 0.5, psnr(x.detach(), self.photograph))
            self._last = float(total.detach()), gradient, step
            if self._last[0] < self._best:
                self._best, self.best_image, self.best_step = self._last[0], x.detach(), step
        return self._last

    def refuse_blind(self, start: Photograph) -> None:
        """Refuse a layer that does not answer to changes of the start."""
        theta = angles_of(start.to(self.photograph)).requires_grad_()
        _, gradient, _ = self.evaluate(theta)
        if not bool(gradient.any()) and not torch.allclose(start.to(theta), self.photograph):
            raise WorkbenchError(
                f"features at {self._capture.names[0]} that depend on the image",
                "a gradient of 0 at the start (a dead or constant layer, or one behind a function "
                "without derivative)",
                "name an earlier layer, or give another start",
            )

    def _features(self, x: Tensor) -> Tensor:
        try:
            found = self._capture.until_reached(((x - self._mean) / self._std)[None])
        except RuntimeError as error:
            raise WorkbenchError(
                f"an image that the network takes up to {self._capture.names[0]}",
                f"{tuple(x.shape)}, on which it fails ({str(error).splitlines()[0]})",
                "enlarge the image, or name an earlier layer",
            ) from error
        return found[self._capture.names[0]]

    def _error(self, x: Tensor) -> Tensor:
        return (self._features(x).float() - self._wanted).square().sum() / self._square

    def _refuse_unusable(self) -> None:
        layer = self._capture.names[0]
        if not np.isfinite(self._square):
            raise WorkbenchError(
                f"finite features at {layer}",
                "NaN or infinity",
                "check the network's weights on this photograph",
            )
        if self._square == 0:
            raise WorkbenchError(
                f"features at {layer} that are not all 0",
                "a dead layer: no unit answers to this photograph",
                "name an earlier layer",
            )


def image_of(theta: Tensor) -> Tensor:
    """Values in [0, 1] of free parameters θ, radians: ½ + ½ sin θ."""
    return 0.5 + 0.5 * theta.sin()


def angles_of(image: Tensor) -> Tensor:
    """Parameters θ of values in [0, 1], kept `MARGIN` away from the ends; inverse of `image_of`."""
    return (2 * image.clamp(MARGIN, 1 - MARGIN) - 1).asin()


def _minimised(
    objective: _Objective,
    start: Photograph,
    layer: str,
    optimiser: Optimiser,
    steps: int,
    rate: float | None,
    tolerance: float,
    on_step: Callable[[int, Step], None] | None,
) -> Inversion:
    theta = angles_of(start.to(objective.photograph)).requires_grad_()
    stepper = _optimiser(optimiser, theta, rate)

    def closure() -> float:
        # A factor leaves the minimum where it is, and keeps gradients of θ far above the absolute
        # threshold below which torch's L-BFGS takes no curvature from a step.
        value, gradient, _ = objective.evaluate(theta)
        theta.grad = gradient * theta.numel()
        return value * theta.numel()

    value, _, step = objective.evaluate(theta)
    values, history, outcome = [value], [step], Outcome.SPENT
    for number in range(1, steps + 1):
        stepper.step(closure)
        value, _, step = objective.evaluate(theta)
        values.append(value)
        history.append(step)
        if value == values[-2]:  # the line search found nothing: forget the curvature
            stepper = _optimiser(optimiser, theta, rate)
        if on_step is not None:
            on_step(number, step)
        if not np.isfinite(value):
            raise WorkbenchError(
                f"finite features at {layer}",
                f"NaN or infinity after {number} steps",
                "give a smaller rate, or another start",
            )
        if objective.best_step.error <= tolerance:
            outcome = Outcome.REACHED
            break
        if number >= WINDOW and min(values) > (1 - STALL) * min(values[:-WINDOW]):
            outcome = Outcome.STALLED
            break
    best = objective.best_step
    return Inversion(
        layer, objective.best_image.float().cpu(), best.psnr, best.error,
        history[0].psnr, history[0].error, tuple(history), objective.evaluations, outcome,
        tolerance, objective.tv_weight,
    )  # fmt: skip


def _optimiser(name: Optimiser, theta: Tensor, rate: float | None) -> torch.optim.Optimizer:
    if name == "adam":
        return torch.optim.Adam([theta], lr=ADAM_RATE if rate is None else rate)
    return torch.optim.LBFGS(
        [theta], lr=1.0 if rate is None else rate, max_iter=1, max_eval=SEARCH,
        history_size=MEMORY, tolerance_grad=0.0, tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip
