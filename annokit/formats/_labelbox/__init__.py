"""Labelbox's export, behind `labelbox`, and what the older one shares with it."""
