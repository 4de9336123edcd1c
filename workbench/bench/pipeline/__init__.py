"""Writing and loading stores beside what one would otherwise write by hand."""
