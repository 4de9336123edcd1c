"""Benchmarks against the libraries that a user would otherwise pick, side by side."""
