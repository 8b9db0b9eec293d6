"""How the records of one version follow from those of another, as a claim that can be checked.

- `claims`: what can be claimed, between artifact digests
- `proof`: the file by which a claim is checked
- `checking`: checks it, from the digests and the file alone
- `columns`: the leaf hashes of several artifacts, one behind the other
- `matching`: which records of two columns are equal, in bounded memory
- `proving`: finds out which claim holds, and writes its proof
- `difference`: what was added, removed and moved between two versions

The tests hold all of this against references of a few lines, on every small case.
"""

from provenance.derivation.checking import Checked, Place, check_derivation
from provenance.derivation.claims import Claim, Derivation

__all__ = ["Checked", "Claim", "Derivation", "Place", "check_derivation"]
