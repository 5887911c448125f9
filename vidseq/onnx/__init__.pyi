from .export import ExportedModel as ExportedModel
from .export import export_onnx as export_onnx
