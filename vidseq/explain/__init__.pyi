from .evidence_agreement import agreement as agreement
from .evidence_agreement import important_past_rows as important_past_rows
from .evidence_agreement import important_past_table as important_past_table
from .find import ImportantPast as ImportantPast
from .find import find_important_past as find_important_past
from .run import explain_prediction as explain_prediction
from .run import explain_predictions as explain_predictions
