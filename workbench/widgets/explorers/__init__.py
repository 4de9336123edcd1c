"""One explorer a file: what is clicked, and which views answer."""
