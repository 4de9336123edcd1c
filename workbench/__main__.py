"""`python -m workbench`, where the command `workbench` is not installed."""

from workbench.cli import main

if __name__ == "__main__":
    main()
