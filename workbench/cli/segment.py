"""`workbench segment`: photographs into segments, boundaries, contours and eigenvectors."""

from pathlib import Path

import click

from pipelines.folders import search
from workbench.errors import WorkbenchError
from workbench.experiments.scenes.photographs import SIDE, CutChoice, load_segmenter, segment_photo
from workbench.views.scenes.photo import write_photo


@click.command()
@click.argument("photos", metavar="PHOTO…", nargs=-1, required=True, type=Path)
@click.option("--model", required=True,
              help="Run, file from `workbench export`, column of Table 2; with --layer "
              "PACKAGE:FUNCTION, which returns a torch.nn.Module.")  # fmt: skip
@click.option("--layer", help="Layer of that network, cut by (1 + cosine)/2 of its features.")
@click.option("--checkpoint", type=Path, help="State dict of that network.")
@click.option("--out", type=Path, default=Path("segments"), show_default=True,
              help="A folder for each photo goes there.")  # fmt: skip
@click.option("--segments", type=click.IntRange(min=2),
              help="So many. [default: by the model's height, or 12]")  # fmt: skip
@click.option("--height", type=float, help="Cut the hierarchy at this height.")
@click.option("--flat", is_flag=True, help="k-way clusterings in place of a hierarchy.")
@click.option("--side", type=click.IntRange(min=64), default=SIDE, show_default=True,
              help="Larger photos are reduced to it; segments come back at full size.")  # fmt: skip
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
def segment(
    photos: tuple[Path, ...],
    model: str,
    layer: str | None,
    checkpoint: Path | None,
    out: Path,
    segments: int | None,
    height: float | None,
    flat: bool,
    side: int,
    device: str,
) -> None:
    """Cut photographs into segments.

    Of a folder all images are taken, at any depth. Writes for each a folder with labels.png (16
    bits), boundaries.jpg, contours.png, eigenvectors and a page that shows all, and prints the
    page's path. A photo that cannot be read is named, and the others are done.

    \b
    Example:
      workbench segment holiday.jpg --model ncuts-vgg16-relu5
      workbench segment holiday.jpg --model my_package:build_model --layer blocks.9
    """
    choice = CutChoice(segments, height, flat)
    photos = _files(photos)
    segmenter = load_segmenter(model, device, layer, checkpoint)
    refused: list[WorkbenchError] = []
    for photo, folder in zip(photos, _folders(photos, out), strict=True):
        try:
            found = segment_photo(photo, segmenter, choice, side)
        except WorkbenchError as error:
            refused.append(error)
            if len(photos) > 1:
                click.secho(f"{error}", fg="red", err=True)
            continue
        page = write_photo(found, folder, photo.name, segmenter.name)
        click.echo(f"{page}  {found.segments} segments, {sum(found.seconds.values()):.1f} s")
        if found.shortfall:
            click.echo(f"{photo}: {found.shortfall}", err=True)
    if len(photos) > 1 and refused:
        click.get_current_context().exit(2)  # each was named in its turn
    if refused:
        raise refused[0]


def _files(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Photos by name, and those of each folder.

    Raises:
        PipelineError: a folder holds no image.
    """
    found = (search(path).files if path.is_dir() else [path] for path in paths)
    return tuple(file for files in found for file in files)


def _folders(photos: tuple[Path, ...], out: Path) -> list[Path]:
    """Folders, one for each photo and named after it; numbered where names repeat."""
    folders: list[Path] = []
    for photo in photos:
        name, number = photo.stem or photo.name, 1
        while out / name in folders:
            number += 1
            name = f"{photo.stem}-{number}"
        folders.append(out / name)
    return folders
