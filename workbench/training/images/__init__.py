"""Training of classifiers of small images: configuration, parts of the images, batches."""
