"""Drawing of the classroom: a canvas, and one file for each sort of thing."""
