"""Table of hashing methods on a store of images with features."""
