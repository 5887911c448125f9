from .linear import LinearProbe as LinearProbe
from .network import NetworkProbe as NetworkProbe
from .results import ProbeReport as ProbeReport
from .results import ProbeResult as ProbeResult
from .run import probe_features as probe_features
