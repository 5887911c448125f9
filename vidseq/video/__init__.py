"""Video files: frames by time, sampling, resizing, writing."""
