"""Train one spiking neural network, or many with -m: `python train.py --help`."""

from snn_zo.cli import train

if __name__ == "__main__":
    train()
