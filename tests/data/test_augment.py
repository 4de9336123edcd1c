"""Augmentation and normalisation of batches, against one sample at a time in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import Augmentation, Normalisation
from workbench.data.augment import move_each, move_together
from workbench.errors import WorkbenchError

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.cuda, cuda])]


def moved(sample: np.ndarray, mirror: bool, down: int, right: int) -> np.ndarray:
    """Pixel by pixel: mirrored, then shifted; zeros come in."""
    height, width = sample.shape[:2]
    found = np.zeros_like(sample)
    for y in range(height):
        for x in range(width):
            from_y, from_x = y - down, x - right
            if 0 <= from_y < height and 0 <= from_x < width:
                found[y, x] = sample[from_y, width - 1 - from_x if mirror else from_x]
    return found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("move", [move_each, move_together])
def test_both_ways_of_moving_agree_with_pixels(move, channels, device) -> None:  # type: ignore[no-untyped-def]
    @settings(deadline=None, max_examples=40)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        height, width = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
        count = data.draw(st.integers(1, 4))
        shift = st.integers(-8, 8)  # beyond the frame too
        shifts = data.draw(st.lists(st.tuples(shift, shift), min_size=count, max_size=count))
        mirrored = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
        rng = np.random.default_rng(0)
        plane = rng.integers(1, 256, (count, height, width, *channels), dtype=np.uint8)
        found = move(
            torch.from_numpy(plane).to(device), torch.tensor(mirrored), torch.tensor(shifts)
        )
        expected = [moved(p, m, *s) for p, m, s in zip(plane, mirrored, shifts, strict=True)]
        assert (found.cpu().numpy() == np.stack(expected)).all()

    check()


def test_planes_move_together_and_by_no_more_than_asked() -> None:
    images = torch.zeros(400, 9, 9, 3, dtype=torch.uint8)
    images[:, 4, 3] = 7  # off the middle: a mirror shows
    masks = images[..., 0].clone()
    numbers = torch.rand(400, 4, dtype=torch.float64)
    moved_images, moved_masks = Augmentation(mirror=0.5, jitter=2)([images, masks], numbers)
    assert torch.equal(moved_images[..., 0], moved_masks)
    _, rows, columns = moved_masks.nonzero(as_tuple=True)
    assert len(rows) == 400
    assert set(rows.tolist()) == set(range(2, 7))
    assert set(columns.tolist()) == set(range(1, 8))  # 3 ± 2 and 5 ± 2


def test_mirroring_happens_with_the_probability_asked_for() -> None:
    images = torch.arange(4, dtype=torch.uint8).expand(1000, 2, 4).contiguous()
    numbers = torch.rand(1000, 4, dtype=torch.float64)
    for probability in (0.0, 0.25, 1.0):
        (found,) = Augmentation(mirror=probability)([images], numbers)
        share = (found[:, 0, 0] == 3).double().mean()
        assert abs(share - probability) < 0.05
        assert ((found == images) | (found == images.flip(2))).all()


@pytest.mark.parametrize("device", DEVICES)
def test_normalisation_is_by_channel_in_float32(device: str) -> None:
    images = torch.randint(256, (2, 5, 4, 3), dtype=torch.uint8, device=device)
    plain = Normalisation()(images)
    assert plain.dtype == torch.float32
    assert torch.equal(plain, images.float() / 255)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = Normalisation(mean, std)(images)
    expected = (images.double() / 255 - torch.tensor(mean, device=device).double()) / torch.tensor(
        std, device=device
    ).double()
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("arguments", [{"mirror": 1.5}, {"mirror": -0.1}, {"jitter": -1}])
def test_augmentations_that_make_no_sense(arguments: dict[str, float]) -> None:
    with pytest.raises(WorkbenchError, match="mirror from 0 to 1"):
        Augmentation(**arguments)
