"""Views of trainings: live charts, curves, comparison of runs."""
