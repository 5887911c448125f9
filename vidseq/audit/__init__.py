"""Does a data set need long context? Small probes that see little, and alarms about shortcuts."""
