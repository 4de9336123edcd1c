"""From features to segments: spectral embedding, clustering, connected components."""
