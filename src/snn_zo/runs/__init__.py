"""One run's folder: written while it trains, the truth about it afterwards."""
