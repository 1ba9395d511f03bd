"""Memory and descriptors of the processes over a run, and whether they stay level: within one life of a process that
was long enough, after it has warmed up."""
import statistics

WARM = 300.0       # seconds from the start of a process: caches and tables have filled
SPAN = 120.0       # seconds that are looked at behind that, and at the end of its life
LONG = WARM + 3 * SPAN
MEMORY = 1.15, 2.0     # a life may end with so many times what it had when it was warm, and so many MB besides
DESCRIPTORS = 1.0, 10  # the same of descriptors


class Levels:
    def __init__(self, names):
        self.lives = {name: [] for name in names}  # lists of (seconds, MB, descriptors)
        self.pids = {}                             # of the last life; numbers come again in a long run

    def add(self, name, pid, seconds, memory_kb, descriptors):
        if self.pids.get(name) != pid:
            self.pids[name] = pid
            self.lives[name].append([])
        self.lives[name][-1].append((seconds, memory_kb / 1024, descriptors))

    def long_lives(self):
        """(name, seconds it lived, memory when warm and at the end, descriptors when warm and at the end); medians."""
        out = []
        for name, lives in self.lives.items():
            for samples in lives:
                start, end = samples[0][0], samples[-1][0]
                if end - start < LONG:
                    continue
                warm = [s for s in samples if WARM <= s[0] - start < WARM + SPAN]
                last = [s for s in samples if end - s[0] < SPAN]
                if not warm:  # it stood still
                    continue
                figures = [statistics.median(s[i] for s in part) for i in (1, 2) for part in (warm, last)]
                out.append((name, end - start, *figures))
        return out

    def grown(self):
        """What did not stay level, as texts."""
        out = []
        for name, lived, warm, last, warm_descriptors, last_descriptors in self.long_lives():
            if last > warm * MEMORY[0] + MEMORY[1]:
                out.append(f"{name} grew from {warm:.1f} to {last:.1f} MB in {lived:.0f} s")
            if last_descriptors > warm_descriptors * DESCRIPTORS[0] + DESCRIPTORS[1]:
                out.append(f"{name} grew from {warm_descriptors:.0f} to {last_descriptors:.0f} descriptors in {lived:.0f} s")
        return out

    def lines(self, verbose):
        lines = [f"{'process':<13}{'starts':>7}{'most MB':>9}{'most descriptors':>18}   its longest life, when warm and at its end"]
        longest = {}
        for life in self.long_lives():
            if life[0] not in longest or life[1] > longest[life[0]][1]:
                longest[life[0]] = life
        for name, lives in self.lives.items():
            samples = [sample for life in lives for sample in life]
            if not samples:
                continue
            line = f"{name:<13}{len(lives):>7}{max(s[1] for s in samples):>9.1f}{max(s[2] for s in samples):>18}"
            if name in longest:
                _, lived, *figures = longest[name]
                line += "   {:.0f} s: {:.1f}, {:.1f} MB; {:.0f}, {:.0f} descriptors".format(lived, *figures)
            elif verbose:
                last = lives[-1]
                line += f"   the last: {last[-1][0] - last[0][0]:.0f} s: {last[0][1]:.1f}, {last[-1][1]:.1f} MB"
            lines.append(line)
        return lines
