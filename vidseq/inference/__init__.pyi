from .overlay import save_annotated_video as save_annotated_video
from .predictions import Prediction as Prediction
from .predictions import write_predictions as write_predictions
from .predictor import Predictor as Predictor
from .request import PredictionRequest as PredictionRequest
from .run import predict_sources as predict_sources
from .stream import Answer as Answer
from .stream import Stream as Stream
