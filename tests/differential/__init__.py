"""Differential tests: a panel on a slice answers what PostgreSQL answers for that tenant's rows.

loaders.py fills PostgreSQL with public databases and the demo; queries/*.yaml asks each question in two dialects;
compare.py says where two answers differ. test_queries.py shows that both texts mean the same, on DuckDB files that are
filled by the conditions of owned.yaml; test_differences.py runs docs/differences.md. tests/acceptance asks the slices that
Slicehouse builds, by HTTP.
"""
