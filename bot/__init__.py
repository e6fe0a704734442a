"""deltaband keeps a book of crypto options delta-neutral."""

__version__ = "0.1.0"
