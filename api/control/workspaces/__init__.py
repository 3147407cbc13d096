"""Workspaces of an installation: made and changed by program, brought into the catalog from files, written back as files."""
