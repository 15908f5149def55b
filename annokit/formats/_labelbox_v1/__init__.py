"""Labelbox's older export, behind `labelbox_v1`."""
