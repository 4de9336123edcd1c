"""Controls and layout of an explorer, in JupyterLab and on a page of Panel."""
