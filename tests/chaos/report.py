"""What a run prints at its end."""
import bisect
import collections

SETTLED = 0.5  # seconds without a disturbed message before the next fault: recovered


class Report:
    def __init__(self, options, ledger, plan, disturbed, samples, violations):
        self.options, self.ledger, self.violations, self.samples = options, ledger, violations, samples
        self.faults = [fault for fault in plan if fault.began]
        self.skipped = len(plan) - len(self.faults)
        self.disturbed = sorted(int(line.split()[0]) / 1e6 for line in disturbed.splitlines())

    def good(self):
        return not (self.violations or self.ledger["lost"] or self.ledger["doubled"] or self.ledger["reordered"])

    def recoveries(self):
        """By kind: seconds from the beginning of a fault (killed, restarted, reset) or from its end (what lasts) to
        the last message that was given in then and failed or took more than a second; only of faults that began
        when the ones before were over and recovered, and that had recovered before the next."""
        out = collections.defaultdict(list)
        over = 0.0  # when all earlier faults were over and the last message disturbed
        order = sorted(self.faults, key=lambda fault: fault.began)
        for i, fault in enumerate(order):
            limit = order[i + 1].began if i + 1 < len(order) else float("inf")
            last = bisect.bisect_left(self.disturbed, limit) - 1
            first = bisect.bisect_left(self.disturbed, fault.began)
            end = self.disturbed[last] if last >= first else fault.began
            lasting = fault.kind not in ("kill", "restart", "hang")
            since = fault.over if lasting else fault.began
            alone = over + SETTLED < fault.began
            if alone and max(fault.over, end) + SETTLED < limit:
                out[fault.kind].append(max(0.0, end - since))
            over = max(over, fault.over, end)
        return out

    def text(self):
        ledger, options = self.ledger, self.options
        lines = [f"seed {options.seed}, {ledger['seconds']:.0f} s, {options.rate:.0f} messages a second both ways, "
                 f"{options.conversations} conversations each way, {len(self.faults)} faults", ""]
        columns = ["sent", "accepted", "accepted_not_proved", "delivered", "failed", "failed_in_doubt", "failed_but_delivered", "never_read",
                   "died_with_worker", "longest_silence_s"]
        lines.append(f"{'':<22}{'SIP to XMPP':>12}{'XMPP to SIP':>12}")
        both = ledger["sip-to-xmpp"], ledger["xmpp-to-sip"]
        for name in columns:
            lines.append(f"{name.replace('_', ' '):<22}" + "".join(
                f"{each[name]:>12.2f}" if isinstance(each[name], float) else f"{each[name]:>12}" for each in both))
        for title, way in zip(("SIP to XMPP", "XMPP to SIP"), both):
            for name, reasons in ("failures", way["reasons"]), ("nobody there or refused", way["meant_to_fail"]):
                lines += ["", f"{title}, {name}:"] if reasons else []
                lines += [f"{count:>8}  {reason}" for reason, count in sorted(reasons.items(), key=lambda r: -r[1])]
        lines += ["", f"{'fault':<14}{'times':>6}{'measured':>9}{'recovered after, s: median':>28}{'longest':>9}"]
        recoveries = self.recoveries()
        for kind, count in collections.Counter(fault.kind for fault in self.faults).most_common():
            times = sorted(recoveries[kind])
            shown = f"{times[len(times) // 2]:>28.2f}{times[-1]:>9.2f}" if times else ""
            lines.append(f"{kind:<14}{count:>6}{len(times):>9}{shown}")
        lines += ["", f"{'process':<14}{'starts':>7}{'memory, MB: first':>19}{'last':>7}{'most':>7}"
                      f"{'descriptors: first':>20}{'last':>6}{'most':>6}"]
        for name, samples in self.samples.items():
            if not samples:
                continue
            (_, _, memory, descriptors), (_, _, last, last_descriptors) = samples[0], samples[-1]
            lines.append(f"{name:<14}{len({s[0] for s in samples}):>7}{memory / 1024:>19.1f}{last / 1024:>7.1f}"
                         f"{max(s[2] for s in samples) / 1024:>7.1f}{descriptors:>20}{last_descriptors:>6}"
                         f"{max(s[3] for s in samples):>6}")
        lines += ["", f"lost {ledger['lost']}, doubled {ledger['doubled']}, reordered {ledger['reordered']}"]
        if ledger["reordered_after_kill"]:
            lines.append(f"({ledger['reordered_after_kill']} reordered whose worker had been killed)")
        return "\n".join(lines)
