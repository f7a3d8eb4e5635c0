"""How well the embedded model obeys, measured on its own world, where the truth is known to the pixel."""
