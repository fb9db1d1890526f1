"""What the layers of a trained network do with a single recording, as pictures."""
