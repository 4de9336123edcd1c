"""Pipelines: writing and loading stores, beside code that one would otherwise write by hand."""
