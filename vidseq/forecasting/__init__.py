"""Long-term anticipation: moments, forecasts, similar moments, metrics and baselines."""
