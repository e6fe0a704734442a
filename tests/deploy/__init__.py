"""What an operator installs: scripts, image, compose file, unit, and what watches them."""
