"""Training of DeepNCuts: configuration and task."""
