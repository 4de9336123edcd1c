"""Classifiers of small images: trained into runs, and what training does to distances."""
