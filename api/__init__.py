"""The slice, answered: HTTP, the supervisor and the `slicehouse` command."""
