from .compare import Comparison as Comparison
from .compare import compare_heads as compare_heads
from .matched import equal_size as equal_size
