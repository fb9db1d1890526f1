"""The VGG of the papers on event vision."""

from __future__ import annotations


def vgg(width: float) -> list[str]:
    """VGGSNN of Deng et al. (2022), with so many times its channels."""
    convolutions = [f"{max(round(width * channels), 1)}c3p1" for channels in (64, 128, 256, 256, 512, 512, 512, 512)]
    return [element for i in range(0, 8, 2) for element in (*convolutions[i : i + 2], "a2")]
