from .shipped import pretrained_folder as pretrained_folder
from .shipped import pretrained_models as pretrained_models
