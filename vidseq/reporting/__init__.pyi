from .figures import COLORS as COLORS
from .figures import save_figure as save_figure
from .tables import to_latex as to_latex
from .tables import to_markdown as to_markdown
from .tables import write_table as write_table
