"""Data sets: the schema, the reader, batches, and importers of foreign layouts."""
