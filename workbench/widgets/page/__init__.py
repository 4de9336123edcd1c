"""The page without JupyterLab: runs and stores below folders, in tabs."""
