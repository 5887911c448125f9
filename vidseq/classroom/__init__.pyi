from .config import ClassroomConfig as ClassroomConfig
from .generator import generate as generate
