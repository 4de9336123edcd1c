"""Training: one loop for every task, on any device, exactly resumable."""
