"""The `slicehouse` command, one file a group of verbs. Data on stdout, the rest on stderr."""
