"""Official archives, fetched and unpacked to where `run` and `train` look for them.

    python -m pipelines download bsds500 --root data
    python -m pipelines download coco2017 --root data --parts val --parts annotations

The layout below the root, which WORKBENCH_DATA may name:

    BSDS300/{images,human}            BSDS500/data/{images,groundTruth}
    coco2017/{train2017,val2017}      coco2017/annotations/*.json
    cifar10/cifar-10-batches-bin/*.bin
    weights/{alexnet,vgg16}-imagenet1k-v1-features.safetensors

What an interruption leaves is continued by the same command. Nothing is unpacked before its SHA-256
is right, and nothing appears under its name before all of it is there. Digests come from the
catalogue; where nobody has published one, the first download's is written down, announced, and
demanded of every later one (`digests.json` in the root's `.downloads/`).
"""

from pipelines.download.catalogue import CATALOGUE, Archive, Dataset
from pipelines.download.fetch import Outcome, download

__all__ = ["CATALOGUE", "Archive", "Dataset", "Outcome", "download"]
