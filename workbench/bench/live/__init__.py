"""The live interface: times of clicks, cuts and openings, and the cost of watching a training."""
