"""Lines of ``provenance hash``: what is written is read back, and nothing else is read."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provenance.errors import InputError, MalformedError
from provenance.merkle import EMPTY_ROOT
from provenance.records import CHUNK, FILE, JSON, LINE, Artifact, Encoding
from provenance.records.sums import Sum, format_sum, parse_sum

ROOT = "c5fe113d5bca816c0de4d5edd5b8ac1c8b0b6b0d0b4b5e7f3c4c56a4b9f3f9e1"
SHA256, BLAKE3 = "2c" * 32, "af" * 32

globs = st.lists(st.text(min_size=1, alphabet=st.characters(codec="utf-8")), unique=True)
encodings = st.one_of(
    st.sampled_from([JSON, LINE, CHUNK, FILE]),
    st.integers(1, 64 << 20).map(lambda size: Encoding(name="chunk", chunk_size=size)),
    st.builds(
        lambda digest, ignore, follow: Encoding(
            name="file", digest=digest, ignore=tuple(sorted(ignore)), follow_symlinks=follow
        ),
        st.sampled_from(["sha256", "blake3"]),
        globs,
        st.booleans(),
    ),
)
artifacts = st.one_of(
    st.builds(Artifact, root=st.binary(min_size=32, max_size=32), size=st.integers(1, 2**53 - 1),
              encoding=encodings),
    st.builds(Artifact, root=st.just(EMPTY_ROOT), size=st.just(0), encoding=encodings),
)  # fmt: skip
digest_sets = st.sampled_from(
    [{}, {"sha256": SHA256}, {"blake3": BLAKE3}, {"sha256": SHA256, "blake3": BLAKE3}]
)


@given(st.text(min_size=1), artifacts, digest_sets)
@example("a\nb\\n\udcff\u202e\U000e0001 ", Artifact(root=b"r" * 32, size=1, encoding=FILE), {})
def test_what_is_written_is_read_back(name, artifact, digests):
    line = format_sum(Sum((name,), artifact, digests))
    assert line.isprintable()
    assert parse_sum(line) == Sum((name,), artifact, digests)


paths = st.lists(st.text(min_size=1), min_size=1, max_size=4).map(tuple)
columns = st.dictionaries(*[st.text(min_size=1, alphabet=st.characters(codec="utf-8"))] * 2)


@given(paths, columns, digest_sets)
@example(("a  b", " ", "c "), {"a:b,column=": "timestamp[us, tz=UTC]"}, {})
@example(("a", "\\x20"), {}, {})
def test_tables_hashed_together_are_read_back(paths, columns, digests):
    found = Sum(paths, Artifact(root=b"r" * 32, size=1, encoding=JSON), digests, columns)
    line = format_sum(found)
    assert line.isprintable()
    assert parse_sum(line) == found


def line(root=ROOT, size="3", how="json", name="rows.jsonl", mark=""):
    return f"{mark}{root}  {size}  {how}  {name}"


@pytest.mark.parametrize(
    ("how", "encoding"),
    [
        ("json", JSON),
        ("line", LINE),
        ("chunk,chunkSize=1048576", CHUNK),
        ("file,digest=sha256", FILE),
        (
            "file,digest=blake3,ignore=%20a%2C%25%C3%A4,ignore=*.tmp,followSymlinks",
            Encoding(name="file", digest="blake3", ignore=(" a,%ä", "*.tmp"), follow_symlinks=True),
        ),
    ],
)
def test_a_line_as_the_docstring_has_it(how, encoding):
    artifact = Artifact(root=bytes.fromhex(ROOT), size=3, encoding=encoding)
    assert parse_sum(line(how=how)) == Sum(("rows.jsonl",), artifact, {})
    told = Sum(("rows.jsonl",), artifact, {"sha256": SHA256})
    assert parse_sum(line(how=f"{how},sha256={SHA256}")) == told


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        f"{SHA256}  rows.jsonl",  # as sha256sum writes it
        line(root=ROOT.upper()),
        line(root=ROOT[1:]),
        line(size="03"),
        line(size="-3"),
        line(size="٣"),
        line(size="9007199254740992"),
        line(size="0"),  # nothing has the root of nothing
        line(root=EMPTY_ROOT.hex()),
        line(how="text"),
        line(how="chunk"),
        line(how="chunk,chunkSize=0"),
        line(how="chunk,chunkSize=01"),
        line(how="chunk,chunkSize=67108865"),
        line(how="json,chunkSize=1"),
        line(how="file"),
        line(how="file,digest=md5"),
        line(how="file,digest=sha256,ignore="),
        line(how="file,digest=sha256,ignore=b,ignore=a"),
        line(how="file,digest=sha256,ignore=a,ignore=a"),
        line(how="file,digest=sha256,ignore=%61"),
        line(how="file,digest=sha256,ignore=%2c"),
        line(how="file,digest=sha256,ignore=%ff"),
        line(how="file,digest=sha256,followSymlinks,ignore=a"),
        line(how=f"json,blake3={BLAKE3},sha256={SHA256}"),
        line(how="json,sha256=2c"),
        line(how="json,"),
        line(how="json,together"),  # with nothing
        line(how="json,together", name="a  "),
        line(how="json,together", name="a b  c"),
        line(how="line,together", name="a  b"),
        line(how="json,column=a"),
        line(how="json,column=a:"),
        line(how="json,column=:double"),
        line(how="json,column=%61:double"),
        line(how="json,column=b:double,column=a:double"),
        line(how="json,column=a:double,column=a:double"),
        line(how="json,column=a:double,together", name="a  b"),
        line(how="line,column=a:double"),
        line(name=""),
        line(name="a\nb"),
        line(name="a\\nb"),  # escaped, without the mark
        line(mark="\\"),  # the mark, and nothing is escaped
        line(mark="\\", name="\\x41"),
        line(mark="\\", name="\\q"),
        line(mark="\\", name="\\U00110000"),
        line(name="a\u202eb"),
        line() + "\r",
    ],
)
def test_other_lines_are_refused(wrong):
    with pytest.raises(MalformedError):
        parse_sum(wrong)


def test_a_glob_that_is_not_utf8_is_not_written():
    encoding = Encoding(name="file", digest="sha256", ignore=("\udcff",), follow_symlinks=False)
    with pytest.raises(InputError, match="is not UTF-8"):
        format_sum(Sum(("a",), Artifact(root=b"r" * 32, size=1, encoding=encoding)))
