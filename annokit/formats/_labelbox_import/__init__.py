"""Labelbox's import files, behind `labelbox_import`."""
