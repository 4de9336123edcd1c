"""The live monitor of a training: figures, alarms, buttons."""
