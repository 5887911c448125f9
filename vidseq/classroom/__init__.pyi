from .config import ClassroomConfig as ClassroomConfig
from .generator import generate as generate
from .question_sampler import open_sampler as open_sampler
from .question_sampler import world_of as world_of
from .symbolic import SymbolicEncoder as SymbolicEncoder
