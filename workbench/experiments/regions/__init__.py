"""Experiments on regions: training, tuning, and the columns and parts of Table 1."""
