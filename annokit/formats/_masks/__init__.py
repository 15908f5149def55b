"""Masks as PNG files, behind `masks`."""
