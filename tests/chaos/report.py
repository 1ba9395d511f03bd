"""What a run prints at its end."""
import bisect
import collections

SETTLED = 0.5   # seconds without a disturbed message before the next fault: recovered
PROMISED = 3.0  # seconds in which a killed process is to be made up for
SHOWN = 5       # reasons of failures, where not all are asked for
ROWS = ["sent", "accepted", "accepted not proved", "delivered", "failed", "failed in doubt", "failed but delivered",
        "never read", "died with worker", "died with server"]
COLUMNS = [(peer, way) for peer in ("played", "prosody", "remote") for way in ("sip-to-xmpp", "xmpp-to-sip")]


class Report:
    def __init__(self, options, ledger, plan, disturbed, levels, asked, violations):
        self.options, self.ledger, self.violations, self.levels, self.asked = options, ledger, violations, levels, asked
        self.faults = [fault for fault in plan if fault.began]
        self.disturbed = sorted(int(line.split()[0]) / 1e6 for line in disturbed.splitlines())

    def good(self):
        ledger, presence = self.ledger, self.ledger["presence"]
        return not (self.violations or ledger["lost"] or ledger["doubled"] or ledger["reordered"] or presence["wrong"] or
                    presence["broken"] or ledger["rooms"]["told"])

    def recoveries(self):
        """By kind: seconds from the beginning of a fault (of one that ends a process or connection) or from its end
        (what lasts) to the last message that was given in then and failed or took more than a second; only of faults
        that began when the ones before were over and recovered. None: it had not recovered before the next."""
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
            if over + SETTLED < fault.began and fault.over + SETTLED < limit:
                out[fault.kind].append((max(0.0, end - since) if end + SETTLED < limit else None, fault))
            over = max(over, fault.over, end)
        return out

    def text(self):
        ledger, options = self.ledger, self.options
        lines = [f"seed {options.seed}, {ledger['seconds']:.0f} s, {options.rate:.0f} messages a second both ways, "
                 f"{options.conversations} conversations each way, {len(self.faults)} faults", ""]
        lines += self._messages() + [""] + self._faults() + [""] + self._killed() + self.asked.lines()
        lines += [""] + self.levels.lines(options.verbose)
        lines += ["", *self._presence(), *self._rooms(), "", f"lost {ledger['lost']}, doubled {ledger['doubled']}, reordered {ledger['reordered']}"]
        if ledger["reordered_after_kill"]:
            lines.append(f"({ledger['reordered_after_kill']} overtaken while in the journal of a worker that was killed)")
        if ledger["came_after_doubt"]:
            lines.append(f"({ledger['came_after_doubt']} came behind later ones after their senders had been told that they may "
                         "have been delivered)")
        if ledger["came_from_history"]:
            lines.append(f"({ledger['came_from_history']} came to phones in rooms behind later ones, as their workers had to ask for them)")
        if ledger["came_behind"]:
            lines.append(f"({ledger['came_behind']} came to a worker behind later ones, by a stream that their server had left)")
        return "\n".join(lines)

    def _presence(self):
        presence = self.ledger["presence"]
        seen = (f"{presence['wrong']} pairs see what is not so" if presence["wrong"] else
                f"all see what is so, {presence['settled_s']:.1f} s after the end")
        apart = f"; {presence['between_servers']} not, of those between servers" if presence["between_servers"] else ""
        return [f"presence: {presence['pairs']} pairs, {presence['changes']} changes; {seen}{apart}",
                *(f"{count:>8}  {what}" for what, count in presence["broken"].items())]

    def _rooms(self):
        rooms, counts = self.ledger["rooms"], collections.Counter()
        for each in self.ledger["in-room"]["counts"].values():
            counts.update(each)
        heard = [f"{counts['accepted_and_delivered']} heard"]
        apart = [f"{counts[kind]} {kind.replace('_', ' ')}" for kind in ("died_with_server", "left_out") if counts[kind]]
        return [f"rooms: {rooms['rooms']} with {rooms['phones']} phones and {rooms['users']} XMPP users, {rooms['lines_of_phones']} "
                f"lines of phones and {rooms['lines_of_users']} of XMPP users; {counts['accepted']} hearings are owed: "
                + ", ".join(heard + apart),
                *(f"{count:>8}  {what}" for what, count in rooms["told"].items())]

    def _messages(self):
        ledger, options = self.ledger, self.options
        lines = [f"{'':<21}{'played server':>18}{'Prosody':>18}{'S2S, Prosody':>18}",
                 f"{'':<21}" + f"{'to XMPP':>9}{'to SIP':>9}" * 3]
        for row in ROWS:
            counts = [ledger[way]["counts"].get(peer, {}).get(row.replace(" ", "_"), 0) for peer, way in COLUMNS]
            if any(counts):
                lines.append(f"{row:<21}" + "".join(f"{count:>9}" for count in counts))
        silences = (ledger[way]["longest_silence_s"] for way in ("sip-to-xmpp", "xmpp-to-sip"))
        lines.append("longest silence: to XMPP {:.2f} s, to SIP {:.2f} s".format(*silences))
        for title, way in ("SIP to XMPP", "sip-to-xmpp"), ("XMPP to SIP", "xmpp-to-sip"):
            for name, kind in ("failures", "reasons"), ("nobody there or refused", "meant_to_fail"):
                if kind == "meant_to_fail" and not options.verbose:
                    continue
                reasons = sorted(ledger[way][kind].items(), key=lambda reason: -reason[1])
                lines += ["", f"{title}, {name}:"] if reasons else []
                shown = reasons if options.verbose else reasons[:SHOWN]
                lines += [f"{count:>8}  {reason[:100]}" for reason, count in shown]
                if more := reasons[len(shown):]:
                    lines.append(f"{sum(count for _, count in more):>8}  {len(more)} other reasons")
        return lines

    def _faults(self):
        lines = [f"{'fault':<16}{'times':>6}{'alone':>7}{'recovered after, s: median':>28}{'longest':>9}{'not before the next':>21}"]
        recoveries = self.recoveries()
        for kind, count in collections.Counter(fault.kind for fault in self.faults).most_common():
            times = sorted(time for time, _ in recoveries[kind] if time is not None)
            cut_short = len(recoveries[kind]) - len(times)
            shown = f"{times[len(times) // 2]:>28.2f}{times[-1]:>9.2f}{cut_short or '':>21}" if times else ""
            lines.append(f"{kind:<16}{count:>6}{len(recoveries[kind]):>7}{shown}".rstrip())
        return lines

    def _killed(self):
        """The promise about killed processes, which broke it, and when they were back themselves: in the middle of
        other faults, too."""
        lines, recoveries = [], self.recoveries()["kill"]
        for role, prefix in ("front", "sip"), ("mapper", "mapper"), ("worker", ("component", "prosody", "server")):
            of = [(time, fault) for time, fault in recoveries if fault.target.startswith(prefix)]
            times = sorted(time for time, _ in of if time is not None)
            late = [f"{fault.target} {time:.1f} s (fault {fault.number})" for time, fault in of if time and time > PROMISED]
            back = sorted(f.back for f in self.faults if f.kind == "kill" and f.target.startswith(prefix) and f.back)
            line = f"a killed {role}:"
            if times:
                line += (f" {len(of)} times alone: made up for after {times[len(times) // 2]:.2f} s, at most {times[-1]:.2f} s" +
                         (f"; over {PROMISED:.0f} s: {', '.join(late)}" if late else "") + ";")
            if back:
                lines.append(f"{line} ready again after {back[len(back) // 2]:.2f} s, at most {back[-1]:.2f} s ({len(back)} times)")
        return lines
