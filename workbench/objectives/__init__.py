"""What training minimises: the projector objectives J1 and J2."""

from workbench.objectives.projector import ProjectorObjective, j1, j2

__all__ = ["ProjectorObjective", "j1", "j2"]
