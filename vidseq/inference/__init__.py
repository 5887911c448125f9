"""Predicting on video files, cameras and streams."""
