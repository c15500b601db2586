"""How the control file of an earlier version becomes one of this, by Alembic."""
