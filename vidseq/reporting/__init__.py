"""What every report is made of: pages, figures, tables."""
