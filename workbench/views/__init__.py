"""Views: pure functions from a record to a picture."""
