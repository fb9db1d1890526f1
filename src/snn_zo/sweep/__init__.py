"""Many runs: what is to be done, where it is done, how it goes, and what came out of it."""
