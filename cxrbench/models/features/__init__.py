"""Features of every image under every backbone, extracted once and kept on disk."""
