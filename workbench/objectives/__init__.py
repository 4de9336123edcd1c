"""What training minimises: the projector objectives J1 and J2, the regularised objective."""

from workbench.objectives.projector import ProjectorObjective, j1, j2
from workbench.objectives.regularised import RegularisedObjective

__all__ = ["ProjectorObjective", "RegularisedObjective", "j1", "j2"]
