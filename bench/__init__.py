"""Benchmarks: what Slicehouse costs, beside the limit of the same work, measured in the same run. docs/benchmarks.md has the figures."""
