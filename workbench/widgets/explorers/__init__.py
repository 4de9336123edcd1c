"""Explorers, one a file: what can be selected, and which views are drawn."""
