from .audit import Audit as Audit
from .audit import audit_dataset as audit_dataset
from .audit import audit_queries as audit_queries
from .findings import Alarm as Alarm
from .findings import Verdict as Verdict
