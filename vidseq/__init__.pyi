from .checkpoint import load_model as load_model
from .checkpoint import save_model as save_model
from .classroom.config import ClassroomConfig as ClassroomConfig
from .classroom.generator import generate as generate
from .clip_reader import QueryBatch as QueryBatch
from .clip_reader import read_clips as read_clips
from .data.dataset import Dataset as Dataset
from .errors import UserError as UserError
from .evaluation.evaluator import evaluate as evaluate
from .features.registry import build_backbone as build_backbone
from .features.store import FeatureStore as FeatureStore
from .heads.base import TemporalHead as TemporalHead
from .heads.config import HeadConfig as HeadConfig
from .heads.registry import HEADS as HEADS
from .heads.registry import make_head as make_head
from .inference.predictor import Predictor as Predictor
from .inference.stream import Stream as Stream
from .model import ModelConfig as ModelConfig
from .model import VideoReasoner as VideoReasoner
from .training.config import TrainConfig as TrainConfig
from .training.trainer import fit as fit
from .video.reader import VideoReader as VideoReader
from .video.writer import VideoWriter as VideoWriter

__version__: str
