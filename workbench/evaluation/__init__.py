"""How good a segmentation is: covering, probabilistic Rand index, variation of information."""
