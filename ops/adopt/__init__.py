"""Adopting a live database: it is read, and what it is gets written as files; nothing of it is changed."""
