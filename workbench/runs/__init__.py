"""The durable record of a run: what every view, widget and report reads."""
