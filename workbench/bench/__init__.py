"""Benchmarks against the libraries that a user would otherwise pick, side by side."""

from workbench.bench.clustering import bench_clustering
from workbench.bench.layers.run import bench_layers
from workbench.bench.ncuts.run import bench_ncuts
from workbench.bench.o2p.run import bench_o2p
from workbench.bench.report import Report

__all__ = ["Report", "bench_clustering", "bench_layers", "bench_ncuts", "bench_o2p"]
