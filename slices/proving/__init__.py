"""The proof, by another engine: tenancy derived a second time, and compared with what is in the files."""
