"""Segmentations of scenes: covering, Rand index, variation of information, pools, heights."""
