"""Objectives of training: J1 and J2, agreement of pixels, contours, regularised, metric losses."""

from workbench.objectives.agreement import Agreement
from workbench.objectives.contours import contour_loss, drawn_contours
from workbench.objectives.metric import batch_hard, contrastive, supervised_contrastive
from workbench.objectives.projector import ProjectorObjective, j1, j2
from workbench.objectives.regularised import RegularisedObjective

__all__ = [
    "Agreement",
    "ProjectorObjective",
    "RegularisedObjective",
    "batch_hard",
    "contour_loss",
    "contrastive",
    "drawn_contours",
    "j1",
    "j2",
    "supervised_contrastive",
]
