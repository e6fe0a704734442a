"""A window on the state; commands enter through it as facts."""
