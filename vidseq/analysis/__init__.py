"""What the lecture says of heads, measured: how gradients flow, what a head costs, what it can remember."""
