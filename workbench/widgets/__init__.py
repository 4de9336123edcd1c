"""Interactive explorers of runs and stores, in JupyterLab and as Panel layouts.

An explorer keeps the selection in traits and draws the pictures that follow from it; it trains
nothing and writes nothing. The same object displays itself in a notebook and, by `.panel()`, in an
app.
"""

from workbench.widgets.explorers.across import AcrossExplorer
from workbench.widgets.explorers.affinity import AffinityExplorer
from workbench.widgets.explorers.curves import CurveExplorer
from workbench.widgets.explorers.datasets import DatasetBrowser
from workbench.widgets.explorers.geometry import GeometryExplorer
from workbench.widgets.explorers.linear_regions import LinearRegionExplorer
from workbench.widgets.explorers.regions import RegionExplorer
from workbench.widgets.explorers.segmentations import SegmentationExplorer
from workbench.widgets.explorers.spectra import SpectrumExplorer
from workbench.widgets.explorers.tessellation import TessellationExplorer
from workbench.widgets.workspace import Workspace

__all__ = [
    "AcrossExplorer",
    "AffinityExplorer",
    "CurveExplorer",
    "DatasetBrowser",
    "GeometryExplorer",
    "LinearRegionExplorer",
    "RegionExplorer",
    "SegmentationExplorer",
    "SpectrumExplorer",
    "TessellationExplorer",
    "Workspace",
]
