"""Stored files: signed URLs, virus scans, cleaning up, what they come to."""
