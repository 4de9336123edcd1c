"""`python -m pipelines download`: official datasets and weights, into WORKBENCH_DATA's layout."""

from pathlib import Path

import click

from pipelines.download import digests
from pipelines.download import fetch as datasets
from pipelines.download.catalogue import CATALOGUE, Dataset
from pipelines.jobs import DATA_VARIABLE, data_root


@click.command("download")
@click.argument("dataset", type=click.Choice(list(CATALOGUE)))
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"The folder of datasets.  [default: {DATA_VARIABLE}]",
)
@click.option("--parts", multiple=True, help="A part of it; may be repeated.  [default: all]")
@click.option("--dry-run", is_flag=True, help="Say what would be fetched, and fetch nothing.")
@click.option("--keep", is_flag=True, help="Keep the archives after they are unpacked.")
@click.option(
    "--sha256",
    "pairs",
    multiple=True,
    metavar="PART=DIGEST",
    help="A digest that you vouch for, in place of the known one.",
)
def download(
    dataset: str,
    root: Path | None,
    parts: tuple[str, ...],
    dry_run: bool,
    keep: bool,
    pairs: tuple[str, ...],
) -> None:
    """Fetch a dataset from its official address, check it and unpack it.

    An interrupted download goes on where it stopped, by the same command. Parts: bsds300 has images
    and human; bsds500 data; coco2017 train, val and annotations; cifar10 binary; weights alexnet
    and vgg16. Images of one's own need no download: python -m pipelines run images --root FOLDER
    --store STORE

    \b
      python -m pipelines download bsds500 --root data
      python -m pipelines download coco2017 --parts val --parts annotations --dry-run
    """
    folder, given = data_root(root), digests.parse(pairs)
    chosen = CATALOGUE[dataset]
    click.echo(describe(chosen, folder, parts, given))
    if dry_run:
        return
    datasets.download(dataset, folder, parts=parts, given=given, keep=keep, say=click.echo)
    click.echo(f"next: {chosen.next.format(root=folder)}")


def describe(
    dataset: Dataset, root: Path, parts: tuple[str, ...] = (), given: dict[str, str] | None = None
) -> str:
    """Text on what a download would fetch, how it is checked, and the terms of use."""
    lines = [dataset.title, f"  {dataset.homepage}"]
    lines += [f"  terms     {term}" for term in dataset.terms]
    for archive in datasets.select(dataset, parts):
        wanted, source = digests.known(archive, root / datasets.FOLDER, given or {})
        size = f"{'' if archive.exact else 'about '}{archive.size / 1e6:,.0f} MB"
        where = ", ".join(str(root / target) for _, target in archive.contents)
        lines += [
            f"  {archive.part:<9} {archive.url}",
            f"            {size} to {where}: {datasets.state(archive, root).value}",
            f"            {f'SHA-256 {wanted}, ' if wanted else ''}{source}",
        ]
    return "\n".join(lines)
