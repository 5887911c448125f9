"""Measuring: one row a query, and every table and figure a group-by of rows."""
