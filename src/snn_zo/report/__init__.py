"""What runs have shown: one run's result, and tables over many."""
