"""Per-frame CNN features: backbones, extraction, and the store on disk."""
