"""The docs as a web site: each page that the README leads to, searched and drawn without a network."""
