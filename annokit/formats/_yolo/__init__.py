"""YOLO, behind `yolo`."""
