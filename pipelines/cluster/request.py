"""`Request`: place, workers and memory for the tasks, checked as a whole."""

from dataclasses import dataclass, fields

from dask.utils import parse_bytes

from pipelines.errors import PipelineError

LOCAL, ADDRESS, KUBERNETES = "local", "address", "kubernetes"
BATCH = ("slurm", "pbs", "lsf")
CLUSTERS = (LOCAL, *BATCH, KUBERNETES)
"""Values of `--cluster`."""

ONE_JOB = {"cores", "memory", "processes"}
USES = {
    LOCAL: {"workers", "memory_limit"},
    ADDRESS: {"scheduler", "insecure", "tls_ca", "tls_cert", "tls_key", "timeout"},
    KUBERNETES: ONE_JOB | {"workers", "insecure", "image", "namespace", "volume", "timeout"},
} | {
    system: ONE_JOB
    | {"workers", "adapt", "insecure", "queue", "account", "walltime", "job_extra"}
    | {"interface", "shared_folder"}
    for system in BATCH
}
"""Place → options that it has. Any other option in a request is refused, not ignored."""


@dataclass(frozen=True)
class Request:
    """A cluster to run the tasks on.

    Attributes:
        cluster: "local", "slurm", "pbs", "lsf" or "kubernetes".
        scheduler: address of a running scheduler to use instead (`tls://host:8786`). Its workers
            must see the dataset and the store under the same paths as this machine.
        workers: processes on this machine (default: its cores), jobs of a batch system or pods
            (default: 1).
        adapt: "MIN:MAX", jobs as there is work for them, in place of `workers`.
        memory_limit: memory of each local worker, as in "2GiB"; "auto" shares the machine's memory.
        insecure: speak plain text with other hosts: whoever reaches a port may run code there.
        tls_ca, tls_cert, tls_key: files in PEM format; default: what Dask's configuration names.
        timeout: seconds until a scheduler must answer (default: 10; pods: 600).
        cores, memory: cores and memory of a job or pod; its processes share them. Default: 1, 2GiB.
        processes: number of processes of a job or pod; default: one a core, each with one thread.
        queue, account, walltime: a job's, as its batch system writes them.
        job_extra: further directives of a job, as in "--constraint=haswell".
        interface: network interface that a batch system's nodes can reach, as in "ib0".
        shared_folder: folder that nodes see under the same path, for credentials; default: home.
        image: image of the pods' containers; it must hold this package in this version.
        namespace: namespace of the pods; default: the current context's.
        volume: "CLAIM:/path", persistent volume claims that the pods see, with dataset and store.

    Raises:
        PipelineError: the parts do not fit together.
    """

    cluster: str = LOCAL
    scheduler: str | None = None
    workers: int | None = None
    adapt: str | None = None
    memory_limit: str = "auto"
    insecure: bool = False
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    timeout: float | int | None = None
    cores: int | None = None
    memory: str | None = None
    processes: int | None = None
    queue: str | None = None
    account: str | None = None
    walltime: str | None = None
    job_extra: tuple[str, ...] = ()
    interface: str | None = None
    shared_folder: str | None = None
    image: str | None = None
    namespace: str | None = None
    volume: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.cluster not in CLUSTERS:
            raise PipelineError(
                f"a cluster out of {', '.join(CLUSTERS)}", repr(self.cluster), "correct --cluster"
            )
        self._refuse_strangers()
        if self.workers is not None and self.workers < 1:
            raise PipelineError("at least one worker", f"{self.workers}", "raise --workers")
        if self.workers is not None and self.adapt is not None:
            raise PipelineError("--workers or --adapt", "both", "leave one of them out")
        if self.adapt is not None:
            self.bounds  # noqa: B018 - refuses what is no such pair
        if self.memory_limit != "auto":
            _bytes(self.memory_limit, "--memory-limit")
        if self.job_memory < 1 or self.job_cores < 1 or not self.job_processes >= 1:
            raise PipelineError(
                "a core, memory and a process at least",
                f"--cores {self.cores}, --memory {self.memory}, --processes {self.processes}",
                "raise them",
            )
        if self.job_processes > self.job_cores:
            raise PipelineError(
                f"no more processes than the {self.job_cores} cores of a job",
                f"{self.job_processes}",
                "lower --processes or raise --cores",
            )

    @property
    def place(self) -> str:
        """A key of `USES`."""
        return ADDRESS if self.scheduler is not None else self.cluster

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and most jobs at a time."""
        least, _, most = (self.adapt or f"{self.workers or 1}:{self.workers or 1}").partition(":")
        if not (least.isdecimal() and most.isdecimal() and int(least) <= int(most) > 0):
            raise PipelineError("MIN:MAX as in 2:10", repr(self.adapt), "correct --adapt")
        return int(least), int(most)

    @property
    def job_cores(self) -> int:
        """Cores of one job or pod."""
        return 1 if self.cores is None else self.cores

    @property
    def job_processes(self) -> int:
        """Worker processes of one job or pod."""
        return self.job_cores if self.processes is None else self.processes

    @property
    def job_memory(self) -> int:
        """Bytes of one job or pod."""
        return _bytes(self.memory or "2GiB", "--memory")

    def _refuse_strangers(self) -> None:
        """Refuse options that the place does not have: they would otherwise be ignored."""
        if self.scheduler is not None and self.cluster != LOCAL:
            raise PipelineError(
                "--scheduler or --cluster", "both", "leave --cluster out to use that scheduler"
            )
        given = {each.name for each in fields(self) if getattr(self, each.name) != each.default}
        if strangers := given - USES[self.place] - {"cluster"}:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(strangers))
            what = "a scheduler's address" if self.place == ADDRESS else f"cluster {self.cluster}"
            raise PipelineError(
                f"options of {what}", names, "leave them out, or name another --cluster"
            )


def _bytes(text: str, option: str) -> int:
    try:
        return int(parse_bytes(text))
    except ValueError:
        raise PipelineError(
            "a memory limit such as 2GiB", repr(text), f"correct {option}"
        ) from None
