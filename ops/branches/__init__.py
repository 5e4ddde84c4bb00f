"""Preview environments: databases cloned from a template of masked rows; see docs/preview-environments.md."""
