"""Second-order pooling on what DeepO2P really feeds it: ReLU-5 of a photograph, dead channels."""

from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from PIL import Image

from workbench.layers import SecondOrderPooling
from workbench.models import Backbone, load_weights


@pytest.mark.data
def test_pooling_keeps_its_digits_on_real_features(data_root: Path) -> None:
    """float32 in and out, against the Daleckii–Krein adjoint in 40 digits (ε = 1e-3)."""
    image = Image.open(sorted((data_root / "coco2017/val2017").glob("*.jpg"))[0]).convert("RGB")
    pixels = torch.from_numpy(np.array(image.resize((227, 227)))).permute(2, 0, 1).float() / 255
    backbone = Backbone("alexnet", "relu5")
    load_weights(backbone, data_root / "weights/alexnet-imagenet1k-v1-features.safetensors")
    with torch.no_grad():
        (maps,) = backbone(pixels[None])
    dead = int((maps.amax((0, 2, 3)) == 0).sum())
    assert maps.shape == (1, 256, 13, 13)
    assert dead > 0

    # A slice small enough for 40 digits, with dead channels and fewer cells than channels.
    channels = torch.cat([maps.amax((0, 2, 3)).argsort()[:4], torch.arange(20)])
    part = maps[:, channels, 3:7, 3:7].clone().requires_grad_()
    upstream = torch.randn(1, 24, 24)
    pooled = SecondOrderPooling(epsilon=1e-3, normalisation="sum", vectorised=False)(part)
    (gradient,) = torch.autograd.grad(pooled, part, upstream)

    expected = exact_gradient(part.detach()[0].flatten(1).T, upstream[0], 1e-3)
    ours = gradient[0].flatten(1).T.double()
    assert (ours - expected).norm() / expected.norm() < 1e-6

    whole = maps.requires_grad_()
    pooled = SecondOrderPooling(epsilon=1e-3, normalisation="sum", vectorised=False)(whole)
    (gradient,) = torch.autograd.grad(pooled.square().sum(), whole)
    assert gradient.isfinite().all()


def exact_gradient(x: torch.Tensor, upstream: torch.Tensor, epsilon: float) -> torch.Tensor:
    """∂⟨upstream, log(XᵀX + εI)⟩/∂X = 2X V(L ∘ (Vᵀ sym(G) V))Vᵀ, every step in 40 digits."""
    with mpmath.workdps(40):
        features = mpmath.matrix(x.double().tolist())
        gram = features.T * features + mpmath.mpf(epsilon) * mpmath.eye(x.shape[1])
        values, vectors = mpmath.eigsy(gram)
        g = (upstream + upstream.T).double() / 2
        inner = vectors.T * mpmath.matrix(g.tolist()) * vectors
        for i in range(len(values)):
            for j in range(len(values)):
                a, b = values[i], values[j]
                tied = abs(a - b) < mpmath.mpf(10) ** -30 * a
                inner[i, j] *= 1 / a if tied else (mpmath.log(a) - mpmath.log(b)) / (a - b)
        gradient = 2 * features * (vectors * inner * vectors.T)
        return torch.tensor([[float(entry) for entry in row] for row in gradient.tolist()]).double()
