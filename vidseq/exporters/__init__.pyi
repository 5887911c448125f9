from .base import Exporter as Exporter
from .base import exporter as exporter
from .content import AnnotatedVideo as AnnotatedVideo
from .content import Annotation as Annotation
from .content import ExportContent as ExportContent
from .export import ExportReport as ExportReport
from .export import export_dataset as export_dataset
from .registry import EXPORTERS as EXPORTERS
