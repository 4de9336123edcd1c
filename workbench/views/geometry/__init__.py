"""Charts and pictures of geometry."""
