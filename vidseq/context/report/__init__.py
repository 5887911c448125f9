"""The report: rows as one page, with figures and tables that can go into a paper as they stand."""
