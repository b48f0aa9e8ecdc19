"""Arrays in, numbers out: metrics, significance and calibration."""
