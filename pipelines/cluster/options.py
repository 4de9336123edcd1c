"""Options of the cluster on a command line: those of `Request`, and `--render`."""

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from pipelines.cluster import render
from pipelines.cluster.request import CLUSTERS, Request

Command = Callable[..., Any]

_FILE = click.Path(dir_okay=False)
_OPTIONS = (
    click.option(
        "--cluster",
        type=click.Choice(CLUSTERS),
        default=CLUSTERS[0],
        show_default=True,
        help="Where the tasks run. Off this machine all ends speak TLS, with credentials made for "
        "the run.",
    ),
    click.option(
        "--workers",
        type=int,
        help="Processes here (default: the cores), jobs or pods (default: 1).",
    ),
    click.option("--memory-limit", default="auto", help="Of each local worker, as in 2GiB."),
    click.option("--scheduler", help="A running scheduler: tcp://127.0.0.1:8786, tls://host:8786."),
    click.option("--tls-ca", type=_FILE, help="For tls://: the authority's certificate, PEM."),
    click.option("--tls-cert", type=_FILE, help="For tls://: this client's certificate, PEM."),
    click.option("--tls-key", type=_FILE, help="For tls://: its key, if not in the same file."),
    click.option(
        "--insecure",
        is_flag=True,
        help="Speak plain text with other hosts: whoever reaches a port can run code there.",
    ),
    click.option("--timeout", type=float, help="Seconds until a scheduler must answer."),
    click.option("--cores", type=int, help="Of a job or pod.  [default: 1]"),
    click.option("--memory", help="Of a job or pod, shared by its processes.  [default: 2GiB]"),
    click.option("--processes", type=int, help="Of a job or pod.  [default: one a core]"),
    click.option("--adapt", metavar="MIN:MAX", help="Jobs as there is work, replaced when over."),
    click.option("--queue", help="Of the jobs: queue or partition."),
    click.option("--account", help="Of the jobs: account or project."),
    click.option("--walltime", help="Of a job, as the batch system writes it."),
    click.option("--job-extra", multiple=True, help="A further directive; may be repeated."),
    click.option("--interface", help="Network interface that the nodes reach, as in ib0."),
    click.option("--shared-folder", help="For jobs' credentials; nodes see it.  [default: home]"),
    click.option("--image", help="Of the pods: a container image that holds this package."),
    click.option("--namespace", help="Of the pods.  [default: the current context's]"),
    click.option("--volume", multiple=True, metavar="CLAIM:/PATH", help="A volume of the pods."),
    click.option(
        "--render",
        "rendered",
        type=click.Path(allow_dash=True),
        help="Write the job script or the manifest there (-: to the screen), and start nothing.",
    ),
)
NAMES = tuple(each.name for each in fields(Request))


def options(command: Command) -> Command:
    """Add the keyword arguments of `connect` to a command; under --render it is not called."""

    @wraps(command)
    def wrapped(*arguments: Any, rendered: str | None, **keywords: Any) -> Any:
        if rendered is None:
            return command(*arguments, **keywords)
        text = render(**{name: keywords[name] for name in NAMES})
        if rendered == "-":
            click.echo(text, nl=False)
        else:
            Path(rendered).write_text(text)
            click.echo(f"wrote {rendered}; nothing was started", err=True)
        return None

    decorated: Command = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
