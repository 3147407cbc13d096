"""Sources in, Arrow out."""
