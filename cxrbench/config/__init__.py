"""Settings, the protocol, components, recipes and presets."""
