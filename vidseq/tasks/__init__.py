"""What a model can be asked: frame labels, the next action, questions."""
