"""Side-by-side benchmarks against the libraries that a user would otherwise pick."""
