"""Pictures of a training: live figures, curves, comparison of runs."""
