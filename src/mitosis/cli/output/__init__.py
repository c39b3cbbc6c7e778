"""How commands print: tables, JSON, the progress of a trial, and what reaches the desktop."""
