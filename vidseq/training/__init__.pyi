from .build import build_model as build_model
from .build import fit_statistics as fit_statistics
from .clips import make_clip_dataset as make_clip_dataset
from .config import ResolvedConfig as ResolvedConfig
from .config import TrainConfig as TrainConfig
from .perception import make_perceiving as make_perceiving
from .trainer import fit as fit
