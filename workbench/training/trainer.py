"""One training loop for every task: steps, schedule, checkpoints, events, and an exact resume.

What makes a resume exact: the order of samples is a function of the visit's number, the state of
the random generators is in the checkpoint, and a checkpoint is written between two steps only.
Devices, precision and later several processes are Lightning Fabric's.
"""

import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol, runtime_checkable

import torch
from lightning_fabric import Fabric
from torch import nn
from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.runs import Run
from workbench.training.checkpoints import load_checkpoint, save_checkpoint
from workbench.training.config import LoopConfig

Monitor = Callable[[int], Mapping[str, float]]
"""Looks at the network after a pass, given the step; what it returns is logged."""


@runtime_checkable
class Task(Protocol):
    """What the loop must know of a problem."""

    @property
    def network(self) -> nn.Module:
        """A module that takes what `inputs` gives and returns scalars by name, "loss" too."""

    @property
    def samples(self) -> int:
        """How many samples a pass has."""

    def inputs(self, visit: int, device: torch.device) -> tuple[Any, ...]:
        """The arguments of the network for the given visit, counted from 0 over all passes."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters with their learning rates, as torch optimizers take them."""


class Diverged(WorkbenchError):
    """The loss is no longer finite; the last good checkpoint is kept."""


class Trainer:
    """Trains one task and writes down everything that happens in a run.

    Args:
        task: what is trained.
        config: how.
        run: where events and checkpoints go.
        monitor: called before the first step and after every pass, with the network in
            evaluation mode.
    """

    def __init__(
        self, task: Task, config: LoopConfig, run: Run, monitor: Monitor | None = None
    ) -> None:
        self.task, self.config, self.run, self.monitor = task, config, run, monitor
        self.fabric = make_fabric(config.device, config.precision)
        self.steps_per_pass = math.ceil(task.samples / config.batch)
        self.steps = config.passes * self.steps_per_pass
        groups, decay = task.parameter_groups(), config.weight_decay
        optimizer: torch.optim.Optimizer = (
            torch.optim.SGD(groups, momentum=0.9, weight_decay=decay)
            if config.optimizer == "sgd"
            else torch.optim.AdamW(groups, weight_decay=decay)
        )
        self.network, self.optimizer = self.fabric.setup(task.network, optimizer)
        self.rates: list[float] = [group["lr"] for group in groups]
        self.step = 0

    def _rate(self, step: int) -> float:
        """Fraction of the full learning rate: a linear rise, then a cosine to zero."""
        rise = max(1, round(self.config.warmup * self.steps))
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, self.steps - rise)))

    def fit(self, resume: bool = False) -> bool:
        """Train to the end.

        Args:
            resume: continue from the run's checkpoint.

        Returns:
            Whether the end was reached: False where SIGINT or SIGTERM asked for a stop; the run
            then has a checkpoint of that very step.

        Raises:
            Diverged: the loss became NaN or infinite.
        """
        with torch.random.fork_rng(), _stop_signals() as stop:
            torch.manual_seed(self.config.seed)
            if resume:
                self._restore()
            else:
                self._look()
            bar = tqdm(total=self.steps, initial=self.step, desc="training", unit="step")
            with bar:
                while self.step < self.steps and not stop.is_set():
                    bar.set_postfix(self._advance(), refresh=False)
                    bar.update()
                    pass_over = self.step % self.steps_per_pass == 0
                    if pass_over:
                        self._look()
                    if pass_over or stop.is_set():
                        self._save()
        finished = self.step == self.steps
        self.run.append("finished" if finished else "interrupted", self.step)
        return finished

    def _advance(self) -> dict[str, str]:
        """One step of the optimizer; what the progress bar should say of it."""
        self.network.train()
        visits = self._visits()
        totals: dict[str, float] = {}
        for visit in visits:
            outcome = self.network(*self.task.inputs(visit, self.fabric.device))
            loss = float(outcome["loss"].detach())
            if not math.isfinite(loss):
                raise Diverged(
                    "a finite loss",
                    f"{loss} at step {self.step}",
                    "lower --learning-rate or raise --ridge; the last checkpoint is kept",
                )
            self.fabric.backward(outcome["loss"] / len(visits))
            for name, value in outcome.items():
                totals[name] = totals.get(name, 0.0) + float(value.detach()) / len(visits)
        norm = torch.as_tensor(
            self.fabric.clip_gradients(self.network, self.optimizer, max_norm=self.config.clip)
        )
        fraction = self._rate(self.step)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = fraction * rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        measured = {"gradient_norm": float(norm), "learning_rate": fraction * max(self.rates)}
        self.run.log(self.step, **totals, **measured)
        return {name: f"{value:.3g}" for name, value in totals.items()}

    def _visits(self) -> range:
        """The visits of a step; the last step of a pass takes what the pass has left."""
        epoch, step = divmod(self.step, self.steps_per_pass)
        start = epoch * self.task.samples + step * self.config.batch
        return range(start, min(start + self.config.batch, (epoch + 1) * self.task.samples))

    def _look(self) -> None:
        if self.monitor is None:
            return
        self.network.eval()
        with torch.random.fork_rng():  # looking must not change what is trained
            seen = dict(self.monitor(self.step))
        self.run.log(self.step, **seen)
        shown = ", ".join(f"{name} {value:.3f}" for name, value in seen.items())
        done = f"{self.step // self.steps_per_pass}/{self.config.passes}"
        tqdm.write(f"pass {done}: {shown}")

    def _save(self) -> None:
        save_checkpoint(
            self.run,
            {
                "step": self.step,
                "network": self.task.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "random": torch.random.get_rng_state(),
                "random_cuda": torch.cuda.get_rng_state_all(),
            },
        )

    def _restore(self) -> None:
        state = load_checkpoint(self.run, self.fabric.device)
        self.task.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.random.set_rng_state(state["random"].cpu())
        if len(state["random_cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all([s.cpu() for s in state["random_cuda"]])
        self.step = state["step"]
        self.run.resume(self.step)


def make_fabric(device: str, precision: str = "32-true") -> Fabric:
    """One device of the kind asked for; "auto" takes CUDA where there is one.

    Raises:
        WorkbenchError: CUDA is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise WorkbenchError(
            "a CUDA device", "none that this torch can use", "give --device cpu, or auto"
        )
    accelerator = "cuda" if device == "auto" and torch.cuda.is_available() else device
    return Fabric(
        accelerator="cpu" if accelerator == "auto" else accelerator,
        devices=1,
        precision=precision,  # type: ignore[arg-type]
    )


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that a stop falls between two steps.

    A second SIGINT interrupts at once. Signals belong to the main thread: elsewhere nothing is set.
    """
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
