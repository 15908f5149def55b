"""Delta Lake, behind `delta`."""
