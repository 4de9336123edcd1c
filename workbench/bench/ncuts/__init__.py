"""Normalized cuts: J1, J2, embeddings and clusterings beside their dense forms and peers."""
