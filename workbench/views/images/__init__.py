"""Pictures of classifiers of small images, and of what training does to distances."""
