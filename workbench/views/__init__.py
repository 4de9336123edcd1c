"""Pure functions from a record to a picture."""
