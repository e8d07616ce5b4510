"""Create a new plugin from a template."""
