from .serve import run_app as run_app
from .settings import AppSettings as AppSettings
