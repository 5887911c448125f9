"""Questions made from segments: what is known at a moment, families of questions, their wording, and twins."""
