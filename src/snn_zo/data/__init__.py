"""Event data: recordings, their binning into packed spikes, and the DataModule that serves them in batches."""
