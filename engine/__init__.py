"""The words and the pure core: no source, no HTTP."""
