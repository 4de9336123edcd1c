"""DeepNCuts in training: its configuration and its task."""
