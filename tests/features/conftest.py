import numpy as np
import pytest
from sklearn.datasets import load_sample_images


@pytest.fixture(scope="session")
def photos():
    """Real photos by what ImageNet calls them, each uint8 (1, H, W, 3)."""
    palace, flower = load_sample_images().images
    return {"palace": palace[None].copy(), "daisy": flower[None].copy()}


@pytest.fixture
def noise():
    """Images that no CNN has seen, uint8 (5, 64, 96, 3)."""
    return np.random.default_rng(0).integers(0, 256, (5, 64, 96, 3), dtype=np.uint8)
