"""Plugins that stand in for official ones where those can't be downloaded."""
