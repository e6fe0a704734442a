"""The edges: one venue's dialect on one side, core facts and actions on the other."""
