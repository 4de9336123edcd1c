"""One segmentation held against one human's: covering, Rand index, variation of information.

For many segmentations of an image, or many annotators, `pool.evaluate_pool` gives the same
figures and counts every table once.
"""

from workbench.evaluation.contingency import Contingency, LabelMap, Regions


def covering(truth: LabelMap, segmentation: LabelMap) -> float:
    """Covering of the truth by the segmentation, in (0, 1]; see `Contingency.covering`.

    Args:
        truth: (height, width) labels; its areas are the weights.
        segmentation: (height, width) labels.

    Raises:
        WorkbenchError: the maps differ in size or are empty.
    """
    return _table(truth, segmentation).covering()


def rand_index(truth: LabelMap, segmentation: LabelMap) -> float:
    """Fraction of pixel pairs on which the maps agree, in [0, 1]; symmetric.

    Its mean over annotators is the probabilistic Rand index. Arguments and errors: as `covering`.
    """
    return _table(truth, segmentation).rand_index()


def variation_of_information(truth: LabelMap, segmentation: LabelMap) -> float:
    """H(S|G) + H(G|S) in bits; a metric on partitions. Arguments and errors: as `covering`."""
    return _table(truth, segmentation).variation_of_information()


def _table(truth: LabelMap, segmentation: LabelMap) -> Contingency:
    return Contingency.of(Regions.of(truth), Regions.of(segmentation))
