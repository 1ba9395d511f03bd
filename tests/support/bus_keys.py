"""Keys of the bus by TCP, as `stoxctl keys` makes them."""
import subprocess

from support.stox import PROGRAMS


def make(folder, *sections):
    """Makes them in the folder, for the mappers and these sections. What is to be written into the configuration."""
    said = subprocess.run([PROGRAMS / "stoxctl", "keys", "--directory", folder, "mapper", *sections], check=True,
                          capture_output=True, text=True).stdout
    return said[said.index("[bus.curve]\nmapper_public_key"):]
