"""What follows from a log, by going through all of it each time."""

from datetime import datetime

from provenance.lineage import End
from provenance.statements import Key, Outputs, Quality, Review, Step, Supersede
from provenance.statements.predicates import Described

GRADES = ["broken", "declared", "attested", "reproduced"]


class Oracle:
    """The first `size` entries, and what follows from them by going through all, each time."""

    def __init__(self, log, size, anchored):
        self.log = log[:size]
        self.anchored = anchored

    def said(self, form):
        return [(each, p) for each in self.log if isinstance(p := each.statement.predicate, form)]

    def revoked(self, each):
        """The keys whose signature under an entry is revoked."""
        found = []
        for keyid in each.keyids:
            times = [
                p.compromised_since
                for _, p in self.said(Key)
                if p.action == "revoke" and p.keyid == keyid and p.compromised_since
            ]
            if times and each.index >= self.anchored[min(times, key=datetime.fromisoformat)]:
                found.append(keyid)
        return tuple(found)

    def person(self, keyid):
        for _, p in self.said(Key):
            if p.action == "rotate" and p.subject_keyid == keyid:
                return self.person(p.replaces)
        return keyid

    def end(self, digest):
        registered = [e for e, p in self.said(Described) if p.artifact.digest == digest]
        counts = [e for e in registered if not self.revoked(e)]
        first = min((e.index for e in counts or registered), default=None)
        superseded = [e.index for e, _ in self.said(Supersede) if subjects(e) == {digest}]
        steps = {
            inputs(e)
            for e, p in self.said(Step)
            if p.outcome == "succeeded" and digest in subjects(e)
        }
        models = {inputs(e) for e, p in self.said(Outputs) if p.model and digest in subjects(e)}
        return End(
            first,
            bool(registered) and not counts,
            min(superseded, default=None),
            len(steps) > 1 or len(models) > 1,
        )

    def remarks(self, digest):
        """The entries that tell of an artifact later, the newest first."""
        said = self.said((Quality, Review, Supersede))
        return [e.index for e, _ in reversed(said) if digest in subjects(e)]

    def verdict(self, digest):
        """The newest verdict on an artifact whose signatures count."""
        said = [(e, p) for e, p in self.said(Review) if digest in subjects(e)]
        return next((p.verdict for e, p in reversed(said) if not self.revoked(e)), None)

    def reproduced(self, each):
        """Artifact → the first run by somebody else."""
        found = {}
        for other, _ in self.said(Step):
            persons = [set(map(self.person, e.keyids)) for e in (each, other)]
            revoked = self.revoked(each) or self.revoked(other)
            if not persons[0] & persons[1] and not revoked and same_step(each, other):
                for digest in subjects(each) & subjects(other):
                    found.setdefault(digest, other.index)
        return found

    def arrows(self, each):
        """(artifact, into, grade) of each arrow."""
        again, found = self.reproduced(each), set()
        predicate = each.statement.predicate
        if isinstance(predicate, Step) or (isinstance(predicate, Outputs) and predicate.model):
            for into, digests in ((True, inputs(each)), (False, subjects(each))):
                for digest in digests:
                    end = self.end(digest)
                    if self.revoked(each) or end.revoked or end.superseded is not None:
                        grade = "broken"
                    elif end.registered is None:
                        grade = "declared"
                    elif again if into else digest in again:
                        grade = "reproduced"
                    else:
                        grade = "attested"
                    found.add((digest, into, grade))
        return found


def subjects(each):
    return {s.artifact for s in each.statement.subjects} - {None}


def inputs(each):
    return frozenset(r.artifact for r in each.statement.predicate.references())


def same_step(one, other):
    a, b = one.statement.predicate, other.statement.predicate
    if not isinstance(a, Step) or not a.outcome == b.outcome == "succeeded":
        return False
    commits = []
    for code in (a.code, b.code):
        if code is not None and code.dirty:
            return False
        commits.append(code.git_commit if code else None)
    same = (a.name, a.parameters) == (b.name, b.parameters) and commits[0] == commits[1]
    return same and inputs(one) == inputs(other)


def descendants(oracle, sources, depth, closed=None):
    """Artifact → (depth, grade) of all that was made of some, along every way without a circle.

    A source may have been made of another, too; then nothing is closed to what it leads to.
    `closed` is (entry, source) → ends of ways.
    """
    edges = [
        ((begin, how), (end, "made"), min(GRADES.index(into), GRADES.index(out)))
        for each in oracle.log
        for begin, is_in, into in oracle.arrows(each)
        for end, is_into, out in oracle.arrows(each)
        for how in ("held", "made")
        if is_in and not is_into
        if how == "made" or end not in (closed or {}).get((each.index, begin), ())
    ]
    begins = [(source, "held") for source in sources]
    depths, level, far = dict.fromkeys(begins, 0), set(begins), 0
    while level and far != depth:
        far += 1
        level = {end for begin, end, _ in edges if begin in level} - depths.keys()
        depths |= dict.fromkeys(level, far)
    walked = [edge for edge in edges if edge[0] in depths and depths[edge[0]] != depth]
    best = dict.fromkeys(begins, 3)
    for _ in depths:  # as long as any way is
        for begin, end, grade in walked:
            if begin in best:
                best[end] = max(best.get(end, 0), min(best[begin], grade))
    return {d: (far, GRADES[best[d, how]]) for (d, how), far in depths.items() if d not in sources}
