"""The management API: its routes, and what each does."""
