from .measure import measure_context as measure_context
from .report.write import write_report as write_report
from .summary import ContextSummary as ContextSummary
from .summary import summarise as summarise
from .summary import summary_text_table as summary_text_table
from .sweep import Sweep as Sweep
from .sweep import run_sweep as run_sweep
