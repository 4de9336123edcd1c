"""Similarity-preserving hashing: binary codes whose Hamming distances rank a database.

A method a file, one interface: `HASHERS[name](bits=48).fit(labelled, pool).encode(vectors)`.
"""

from collections.abc import Callable, Mapping
from functools import partial

from workbench.geometry.hyperplanes import Codes
from workbench.hashing.agh import AGH
from workbench.hashing.diff_hash import DiffHash
from workbench.hashing.hasher import Hasher, Labelled, MoreBitsThanClassesWarning
from workbench.hashing.itq import ITQ
from workbench.hashing.ksh import KSH
from workbench.hashing.lda_hash import LDAHash
from workbench.hashing.lsh import LSH
from workbench.hashing.neural_hash import NeuralHash
from workbench.hashing.ssh import SSH

HASHERS: Mapping[str, Callable[..., Hasher]] = {
    "lsh": LSH,
    "itq": ITQ,
    "diff-hash": DiffHash,
    "lda-hash": LDAHash,
    "ssh-stumps": partial(SSH, form="stumps"),
    "ssh-eigenvector": partial(SSH, form="eigenvector"),
    "agh-1": partial(AGH, layers=1),
    "agh-2": partial(AGH, layers=2),
    "ksh": KSH,
    "neural-1": partial(NeuralHash, layers=1),
    "neural-2": partial(NeuralHash, layers=2),
}
"""Methods by name; each takes `bits`, `seed` and its own parameters."""

__all__ = [
    "AGH",
    "HASHERS",
    "ITQ",
    "KSH",
    "LSH",
    "SSH",
    "Codes",
    "DiffHash",
    "Hasher",
    "LDAHash",
    "Labelled",
    "MoreBitsThanClassesWarning",
    "NeuralHash",
]
