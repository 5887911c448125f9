"""How accuracy depends on how much of the past is shown: the sweep, its curves and summary numbers, its report."""
