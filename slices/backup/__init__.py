"""One consistent copy of an installation in a file, and an installation made of it again."""
