"""The mathematics: matrix functions and factored affinities, with their adjoints."""
