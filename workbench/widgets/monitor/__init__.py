"""Live monitor of a training: charts, alarms, commands."""

from workbench.widgets.monitor.monitor import Monitor, watch

__all__ = ["Monitor", "watch"]
