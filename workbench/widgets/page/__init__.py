"""App without JupyterLab: runs and stores below folders, each with tabs of explorers."""
