"""Names of distance ratios of triplets among the measurements of a run.

A measurement is named by layer, kind of triplets and figure: "block3 boundary inter". See
`evaluation.triplets`.
"""

RANDOM_AUC = "random AUC"
"""P(inter ratio > intra ratio) of random triplets."""
FARTHEST_IN = "boundary intra"
"""Median ratio of pairs with the farthest image of the class, in units of random triplets."""
CLOSEST_OUT = "boundary inter"
"""Median ratio of pairs with the closest image of another class."""
FARTHEST_OUT = "control inter"
"""Median ratio of pairs with the farthest image of another class."""
CLOSEST_IN = "control intra"
"""Median ratio of pairs with the closest image of the class."""
