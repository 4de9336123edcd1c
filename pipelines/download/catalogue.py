"""Catalogue of downloads: addresses, sizes, digests and licences, and the origin of each.

Digests of COCO: the checksums of TensorFlow Datasets (`tensorflow_datasets/url_checksums/
coco2017.txt`, commit 2282548), which its users have been held to for years. COCO's server has no
certificate of its own name: its addresses are http, and the digest is the whole protection.

Digests of torchvision's weights: their file names end in the first eight hex digits, which is the
publisher's own statement; the other digits and the sizes are those of the Git LFS pointers of
copies on Hugging Face (blanchon/image-gs-models-utils) and of projects that pin the files.

Digest of CIFAR-10: the checksum of TensorFlow Datasets (`url_checksums/cifar10.txt`), which other
projects pin too; some of them have compared the same file with the MD5 that Toronto publishes
(c32a1d4ab5d03f1284b67883e8d87530).

Digests of BSDS: Berkeley has never published any. That of BSDS300's images is the one that several
projects on GitHub pin; for the other two none was found, so they are trusted on first use. The
size of BSDS500's archive is from tensorpack (`dataflow/dataset/bsds500.py`).
"""

from dataclasses import dataclass

BERKELEY = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision"
COCO = "http://images.cocodataset.org"
TORCH = "https://download.pytorch.org/models"


@dataclass(frozen=True)
class Archive:
    """A file to fetch, and where its contents go.

    Attributes:
        part: name among the dataset's parts.
        url: official address.
        size: bytes; an estimate unless `exact`.
        unpacked: bytes on disk afterwards, roughly.
        contents: (folder in the archive, folder below the root): what is unpacked to where. For
            weights: (name of the backbone, file below the root).
        kind: "tar", "zip" or "weights".
        sha256: its digest, where one is known; otherwise the first download's is trusted.
        exact: the size is known to the byte.
    """

    part: str
    url: str
    size: int
    unpacked: int
    contents: tuple[tuple[str, str], ...]
    kind: str
    sha256: str | None = None
    exact: bool = True

    @property
    def name(self) -> str:
        """File name of the archive."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Dataset:
    """Archives that belong together, and the terms on which they may be used.

    Attributes:
        title: name in words.
        homepage: address of the publishers' description.
        terms: licences, a line each.
        archives: archives of its parts.
        next: the command that uses it.
    """

    title: str
    homepage: str
    terms: tuple[str, ...]
    archives: tuple[Archive, ...]
    next: str


BSDS_TERMS = (
    "images and segmentations: free for non-commercial research and educational purposes "
    "(UC Berkeley); the photographs are Corel's",
)

CATALOGUE: dict[str, Dataset] = {
    "bsds300": Dataset(
        title="Berkeley Segmentation Dataset, 300 images with human segmentations",
        homepage=f"{BERKELEY}/bsds/",
        terms=BSDS_TERMS,
        archives=(
            Archive(
                part="images",
                url=f"{BERKELEY}/bsds/BSDS300-images.tgz",
                size=22_000_000,
                exact=False,
                unpacked=23_000_000,
                contents=(("BSDS300/images", "BSDS300/images"),),
                kind="tar",
                sha256="a5f7d0e49fe135c75518a3543ced24470156fd69305ae77845dff2a5138652b4",
            ),
            Archive(
                part="human",
                url=f"{BERKELEY}/bsds/BSDS300-human.tgz",
                size=27_000_000,
                exact=False,
                unpacked=150_000_000,
                contents=(("BSDS300/human", "BSDS300/human"),),
                kind="tar",
            ),
        ),
        next="python -m pipelines run bsds --root {root}/BSDS300 --store stores/bsds.zarr",
    ),
    "bsds500": Dataset(
        title="Berkeley Segmentation Data Set and Benchmarks 500",
        homepage=f"{BERKELEY}/grouping/resources.html",
        terms=BSDS_TERMS,
        archives=(
            Archive(
                part="data",
                url=f"{BERKELEY}/grouping/BSR/BSR_bsds500.tgz",
                size=70_763_455,
                unpacked=75_000_000,
                contents=(("BSR/BSDS500/data", "BSDS500/data"),),
                kind="tar",
            ),
        ),
        next="python -m pipelines run bsds --root {root}/BSDS500 --store stores/bsds.zarr",
    ),
    "coco2017": Dataset(
        title="COCO 2017, train and val: images and instances",
        homepage="https://cocodataset.org/#termsofuse",
        terms=(
            "annotations: Creative Commons Attribution 4.0 (COCO Consortium)",
            "images: not owned by COCO; each under its own Flickr licence, which the annotations "
            "name, and the Flickr Terms of Use",
        ),
        archives=(
            Archive(
                part="train",
                url=f"{COCO}/zips/train2017.zip",
                size=19_336_861_798,
                unpacked=19_500_000_000,
                contents=(("train2017", "coco2017/train2017"),),
                kind="zip",
                sha256="69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            ),
            Archive(
                part="val",
                url=f"{COCO}/zips/val2017.zip",
                size=815_585_330,
                unpacked=830_000_000,
                contents=(("val2017", "coco2017/val2017"),),
                kind="zip",
                sha256="4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            ),
            Archive(
                part="annotations",
                url=f"{COCO}/annotations/annotations_trainval2017.zip",
                size=252_907_541,
                unpacked=850_000_000,
                contents=(("annotations", "coco2017/annotations"),),
                kind="zip",
                sha256="113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            ),
        ),
        next="python -m pipelines run coco --root {root}/coco2017 --store stores/coco.zarr",
    ),
    "cifar10": Dataset(
        title="CIFAR-10, 60,000 images of 32×32 pixels in ten categories; the binary version",
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        terms=(
            "no licence is stated; the publishers ask to cite A. Krizhevsky, Learning Multiple "
            "Layers of Features from Tiny Images, 2009",
        ),
        archives=(
            Archive(
                part="binary",
                url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                size=170_052_171,
                unpacked=184_400_000,
                contents=(("cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"),),
                kind="tar",
                sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
        next="python -m pipelines run cifar10 --root {root}/cifar10 --store stores/cifar10.zarr",
    ),
    "weights": Dataset(
        title="torchvision's ImageNet weights of AlexNet and VGG-16; the convolutions are kept",
        homepage="https://docs.pytorch.org/vision/stable/models.html",
        terms=(
            "weights: published with torchvision, BSD-3-Clause",
            "trained on ImageNet, whose terms allow non-commercial research and education",
        ),
        archives=(
            Archive(
                part="alexnet",
                url=f"{TORCH}/alexnet-owt-7be5be79.pth",
                size=244_408_911,
                unpacked=10_000_000,
                contents=(("alexnet", "weights/alexnet-imagenet1k-v1-features.safetensors"),),
                kind="weights",
                sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            ),
            Archive(
                part="vgg16",
                url=f"{TORCH}/vgg16-397923af.pth",
                size=553_433_881,
                unpacked=59_000_000,
                contents=(("vgg16", "weights/vgg16-imagenet1k-v1-features.safetensors"),),
                kind="weights",
                sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            ),
        ),
        next="workbench train deep-ncuts --backbone alexnet …, with WORKBENCH_DATA={root}",
    ),
}
"""Name on the command line → dataset."""
