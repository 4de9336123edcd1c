"""Base class of explorers, with their controls and their layout in JupyterLab and in Panel."""
