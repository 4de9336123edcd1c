"""Views of hashing: the table, curves against bits, precision and recall, rankings."""
