"""The package index: what pip and uv install the foundation's projects from."""
