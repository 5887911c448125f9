"""The generated classroom: videos whose every answer, and the reason for it, is known."""
