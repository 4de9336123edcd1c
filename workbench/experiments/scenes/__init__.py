"""Experiments on scenes: training, photographs, and the columns and parts of Table 2."""
