"""Write a plugin to start from."""
