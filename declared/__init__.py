"""What this project declares: settings, roles, grants, schemas, the files in `sql/`. No server, no SDK."""
