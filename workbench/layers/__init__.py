"""Structured layers as torch modules."""
