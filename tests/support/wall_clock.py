"""The wall clock of the gateway's processes, set by a test while they run: wall_clock.c is preloaded into them."""
import mmap
import struct

from support.stox import PROGRAMS

HOUR, YEAR = 3600, 365 * 86400


class WallClock:
    def __init__(self, stox):
        """stox: a support.stox.Stox that has not started; its stoxctl reads this clock, too."""
        offset = stox.folder / "clock"
        offset.write_bytes(struct.pack("q", 0))
        with open(offset, "r+b") as file:
            self._offset = mmap.mmap(file.fileno(), 8)
        stox.environment |= {"LD_PRELOAD": str(PROGRAMS.parent / "tests" / "wall_clock.so"),
                             "STOX_TEST_CLOCK": str(offset), "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def off_by(self, seconds):
        """From now on, from the clock of the test and the XMPP server."""
        self._offset[:] = struct.pack("q", seconds)
