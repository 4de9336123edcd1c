"""The live interface: clicks, cuts and openings kernel to kernel, and what watching costs."""
