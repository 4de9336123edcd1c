"""Training loop for every task: steps, schedule, checkpoints, events, and an exact resume.

A resume is exact because the order of samples is a function of the visit's number, the state of
every rank's random generators is in the checkpoint, and checkpoints are written between two steps
only. Lightning Fabric handles devices, precision and the averaging of gradients over several
processes (`processes`).
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn
from tqdm.auto import tqdm

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.probe.geometry.live import LiveGeometry
from workbench.runs import Run
from workbench.runs.control import ANSWER, control_state
from workbench.runs.summary import summary
from workbench.training.checkpoints import load_checkpoint, save_checkpoint
from workbench.training.config import LoopConfig
from workbench.training.devices import device_of
from workbench.training.orders import Ear, stop_signals
from workbench.training.processes import Place, of_all_ranks, place
from workbench.training.throughput import Throughput

GeometryOf = Callable[[Sequence[str]], LiveGeometry]
"""Function from names or patterns of layers to the monitor of their geometry."""
Monitor = Callable[[int], Mapping[str, float]]
"""Function that evaluates the network after a pass, given the step; its result is logged. A long
one calls `Trainer.asked_to_stop` now and then, and raises `LookAbandoned`."""


class MicroBatch(NamedTuple):
    """Samples that go through the network at once.

    Attributes:
        inputs: arguments of the network.
        samples: number of samples; the network's scalars are means over them.
    """

    inputs: tuple[Any, ...]
    samples: int


@runtime_checkable
class Task(Protocol):
    """Problem to train a network on, as the loop needs it."""

    @property
    def network(self) -> nn.Module:
        """Module from a micro-batch's inputs to scalars by name, with "loss" among them."""

    @property
    def samples(self) -> int:
        """Number of samples in a pass."""

    def micro_batches(self, visits: Sequence[int], device: torch.device) -> Iterable[MicroBatch]:
        """Samples of some visits of one step, in one or more micro-batches.

        Args:
            visits: numbers of visits from 0 over all passes, ascending. Where several processes
                share a step they are this one's; at least one, which has no weight if a step has
                fewer visits than there are processes.
            device: device for the inputs.
        """

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters with their learning rates, as torch optimizers take them."""


class Diverged(WorkbenchError):
    """Error for a loss that is not finite; the last good checkpoint is kept."""


class LookAbandoned(Exception):
    """Signal that the monitor broke off because the training is to stop; a resume repeats it."""


class Trainer:
    """Trainer of one task, which records everything in a run.

    In a process group (`processes.ranks`) every rank has its own trainer. The ranks share the
    visits of each step, and take the same step as one process would; only rank 0 evaluates and
    writes.

    Args:
        task: task to train.
        config: configuration of the loop.
        run: run that gets events and checkpoints.
        monitor: called before the first step and after every pass, with the network in
            evaluation mode.
        geometry: function that gives the geometry of layers, by names or patterns, for those that
            the configuration or a command names; it is measured at a pace of its own.
        progress: whether a bar and the monitor's values are printed.

    Raises:
        WorkbenchError: the ranks cannot share a batch evenly.
    """

    def __init__(
        self,
        task: Task,
        config: LoopConfig,
        run: Run,
        monitor: Monitor | None = None,
        *,
        geometry: GeometryOf | None = None,
        progress: bool = True,
    ) -> None:
        self.task, self.config, self.run, self.monitor = task, config, run, monitor
        self._geometry_of = geometry
        self.geometry: LiveGeometry | None = None
        self.fabric = make_fabric(config.device, config.precision)
        self.rank, self.ranks = place()
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
        self.factor = 1.0  # factor of the schedule; set by command (`runs.control`)
        self.step = 0
        self.progress = progress and self.rank == 0
        self._saved: tuple[int, float] | None = None  # step and factor of the latest checkpoint
        self._looked = False  # whether the monitor was called at this step
        self._asked: Callable[[], bool] = lambda: False

    def _rate(self, step: int) -> float:
        """Fraction of the full learning rate: a linear rise, then a cosine to zero."""
        rise = max(1, round(self.config.warmup * self.steps))
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, self.steps - rise)))

    def fit(self, resume: bool = False) -> bool:
        """Train to the end, and follow the run's commands (`runs.control`).

        Args:
            resume: continue from the run's checkpoint.

        Returns:
            Whether the end was reached: False where a command, SIGINT or SIGTERM asked for a stop;
            the run then has a checkpoint of that step.

        Raises:
            Diverged: the loss became NaN or infinite.
        """
        with torch.random.fork_rng(), stop_signals() as stop:
            torch.manual_seed(self.config.seed + self.rank)
            if resume:
                self._restore()
            self._announce()
            ear = Ear(self.run, self.rank, self._summed, self.factor)
            self._asked = partial(ear.asked_to_stop, stop)
            if not self._looked:
                self._look()
            self._choose_geometry(control_state(self.run.events(ANSWER), 0).layers)
            self._measure()
            throughput = Throughput(self.run, self.fabric.device)
            with self._bar() as bar:
                while self.step < self.steps:
                    orders = ear.hear(self.step, stop)
                    self.factor = orders.factor
                    if orders.stop or orders.save or self._is_saved:
                        self._save()
                    ear.answer(self.step, self._choose_anew(orders.layers))
                    if orders.stop:
                        break
                    if orders.paused:
                        continue
                    start, visits = time.perf_counter(), self._visits()
                    shown = self._advance(visits)
                    if self.rank == 0:
                        throughput.add(self.step, len(visits), time.perf_counter() - start)
                    self._measure()
                    bar.set_postfix(shown, refresh=False)
                    bar.update()
                    if self.step % self.steps_per_pass == 0:
                        self._look()
                        self._save()
        finished = self.step == self.steps and self._looked
        if self.rank == 0:
            self.run.append("finished" if finished else "interrupted", self.step)
            summary(self.run)  # kept for tables of runs
        return finished

    def asked_to_stop(self) -> bool:
        """Whether the training is to stop; for a monitor during a long evaluation."""
        return self._asked()

    def _announce(self) -> None:
        """Record the number of steps."""
        if self.rank == 0:
            sizes = {"steps": self.steps, "steps_per_pass": self.steps_per_pass}
            self.run.append("plan", self.step, **sizes, samples=self.task.samples)

    def _bar(self) -> Any:
        return tqdm(
            total=self.steps,
            initial=self.step,
            desc="training",
            unit="step",
            disable=not self.progress,
        )

    def _advance(self, visits: range) -> dict[str, str]:
        """Take one step of the optimizer; returns the text for the progress bar."""
        self.network.train()
        own = visits[self.rank :: self.ranks]
        micro_batches = self.task.micro_batches(own or visits[:1], self.fabric.device)
        totals: dict[str, Tensor] = {}
        for (inputs, samples), last in _marking_the_last(micro_batches):
            share = samples / len(visits) if own else 0.0
            # Gradients are exchanged once a step.
            with self.fabric.no_backward_sync(self.network, enabled=not last and self.ranks > 1):
                outcome = self.network(*inputs)
                # The ranks' gradients are averaged; the factor makes this a sum.
                self.fabric.backward(outcome["loss"] * (share * self.ranks))
            for name, value in outcome.items():
                part = share * value.detach().to(self.fabric.device, torch.float64)
                totals[name] = totals.get(name, 0.0) + (part if share else torch.zeros_like(part))
        values = self._summed(torch.stack([*totals.values()]).tolist())
        found = dict(zip(totals, values, strict=True))
        if not math.isfinite(found["loss"]):
            raise Diverged(
                "a finite loss",
                f"{found['loss']} at step {self.step}",
                "lower --learning-rate (or, of DeepNCuts, raise --ridge); "
                "the last checkpoint is kept",
            )
        norm = torch.as_tensor(
            self.fabric.clip_gradients(self.network, self.optimizer, max_norm=self.config.clip)
        )
        fraction = self._rate(self.step) * self.factor
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = fraction * rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        measured = {"gradient_norm": float(norm), "learning_rate": fraction * max(self.rates)}
        if self.rank == 0:
            self.run.log(self.step, **found, **measured)
        return {name: f"{value:.3g}" for name, value in found.items()}

    def _summed(self, values: Sequence[float]) -> list[float]:
        """Sums of numbers over all ranks, in float64."""
        if self.ranks == 1:
            return list(values)
        own = torch.tensor(values, dtype=torch.float64, device=self.fabric.device)
        summed: list[float] = torch.as_tensor(self.fabric.all_reduce(own, reduce_op="sum")).tolist()
        return summed

    def _visits(self) -> range:
        """Visits of a step; the last step of a pass takes the remaining ones."""
        epoch, step = divmod(self.step, self.steps_per_pass)
        start = epoch * self.task.samples + step * self.config.batch
        return range(start, min(start + self.config.batch, (epoch + 1) * self.task.samples))

    def _look(self) -> None:
        self._looked = True
        if self.monitor is None or self.rank > 0:
            return
        self.network.eval()
        try:
            with torch.random.fork_rng():  # an evaluation must not change the training
                seen = dict(self.monitor(self.step))
        except LookAbandoned:
            self._looked = False
            return
        self.run.log(self.step, **seen)
        shown = ", ".join(f"{name} {value:.3f}" for name, value in seen.items())
        done = f"{self.step // self.steps_per_pass}/{self.config.passes}"
        if self.progress:
            tqdm.write(f"pass {done}: {shown}")

    def _choose_geometry(self, layers: Sequence[str] | None) -> None:
        """Measure the geometry of layers from now on; None: of those that the configuration names.

        Raises:
            WorkbenchError: there are no such layers.
        """
        chosen = self.config.geometry if layers is None else layers
        if self.rank > 0:
            return
        made = self._geometry_of(chosen) if chosen and self._geometry_of is not None else None
        self.geometry = made

    def _choose_anew(self, layers: Sequence[str] | None) -> str:
        """Follow a command to measure other layers; the reason why that cannot be done, or ""."""
        before = self.geometry
        try:
            if layers is not None:
                self._choose_geometry(layers)
                self._measure()
        except UserError as error:
            self.geometry = before
            return str(error)
        return ""

    def _measure(self) -> None:
        """Record the geometry where it is due, and at the last step."""
        if self.geometry is None or self.rank > 0:
            return
        ended = self.step == self.steps
        seen = self.geometry.last(self.step) if ended else self.geometry(self.step)
        if seen:
            self.run.log(self.step, **seen)

    @property
    def _is_saved(self) -> bool:
        """Whether there is a checkpoint of this step; its factor must be the present one."""
        return self._saved is not None and self._saved[0] == self.step

    def _save(self) -> None:
        if self._saved == (self.step, self.factor):
            return
        self._saved = self.step, self.factor
        device = self.fabric.device
        random = of_all_ranks(torch.random.get_rng_state())
        on_cuda = device.type == "cuda"
        random_cuda = of_all_ranks(torch.cuda.get_rng_state(device)) if on_cuda else []
        if self.rank > 0:
            return
        save_checkpoint(
            self.run,
            {
                "step": self.step,
                "factor": self.factor,
                "looked": self._looked,
                "network": self.task.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "precision": self.fabric.strategy.precision.state_dict(),
                "random": random,
                "random_cuda": random_cuda,
            },
        )

    def _restore(self) -> None:
        state = load_checkpoint(self.run, self.fabric.device)
        self.task.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state.get("precision", {}))
        random = state["random"]
        if isinstance(random, Tensor):  # checkpoint of a version without several ranks
            random = [random]
        torch.random.set_rng_state(random[self.rank].cpu())
        if self.fabric.device.type == "cuda" and state["random_cuda"]:
            torch.cuda.set_rng_state(state["random_cuda"][self.rank].cpu(), self.fabric.device)
        self.step, self.factor = state["step"], state.get("factor", 1.0)
        self._looked = state.get("looked", True)
        self._saved = self.step, self.factor
        if self.rank == 0:
            self.run.resume(self.step)


def _marking_the_last(items: Iterable[MicroBatch]) -> Iterator[tuple[MicroBatch, bool]]:
    """Items, each with whether it is the last one."""
    waiting: MicroBatch | None = None
    for item in items:
        if waiting is not None:
            yield waiting, False
        waiting = item
    if waiting is not None:
        yield waiting, True


def make_fabric(device: str, precision: str = "32-true") -> Fabric:
    """Fabric on one device, see `devices.device_of`; in a process group, on one device a rank.

    Raises:
        WorkbenchError: CUDA is asked for and there is none.
    """
    _, ranks = place()
    fabric = Fabric(
        accelerator=device_of(device).type,
        devices=ranks,
        # Buffers of a network are not learned and are the same on all ranks.
        strategy=DDPStrategy(forward_sync_buffers=False) if ranks > 1 else "auto",
        plugins=[Place()] if ranks > 1 else None,
        precision=precision,  # type: ignore[arg-type]
    )
    if ranks > 1:
        fabric.launch()
    return fabric
