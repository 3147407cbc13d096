"""One file per resource: HTTP in, control or serving called, HTTP out."""
