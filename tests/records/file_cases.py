"""What must be found in a folder, and read, against `os`, file by file.

Imports nothing but the standard library: it also runs where the sanitizers watch.
"""

import errno
import os
import struct
from pathlib import Path

SIZES = [0, 1, 4095, 4096, 4097, 0, 300_000, 7]


def state(path):
    """The five integers of a file, links not followed; times modulo 2^64."""
    found = os.lstat(path)
    times = [time % 2**64 for time in (found.st_mtime_ns, found.st_ctime_ns)]
    return struct.pack("=5Q", found.st_dev, found.st_ino, found.st_size, *times)


def check_list(list_files, folder):
    """Everything that lies there, each once."""
    files, states, others = list_files(str(folder))
    paths = [*Path(folder).iterdir()]
    regular = [path.name for path in paths if path.is_file() and not path.is_symlink()]
    assert files == sorted(regular, key=os.fsencode)
    assert others == sorted({path.name for path in paths} - set(regular), key=os.fsencode)
    assert states == b"".join(state(Path(folder, name)) for name in files)


def check_lists(list_files, folder):
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    check_list(list_files, folder)
    for name in (b"plain", b".hidden", b"a b", b"\xff", b"\x01\n", "ä".encode(), b"n" * 255):
        (folder / os.fsdecode(name)).write_bytes(name)
    check_list(list_files, folder)
    for name, second in {"early": -1, "old": -(2**31), "late": 2**31 + 1, "far": 2**33}.items():
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (0, second))
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    for name, target in {"link": "plain", "to": "sub", "no": "x", "loop": "loop"}.items():
        (folder / name).symlink_to(target)
    check_list(list_files, folder)
    for number in range(2000):
        (folder / "sub" / (f"{number:x}" * 9)).write_bytes(b"")
    check_list(list_files, folder / "sub")
    for name, number in {"none": errno.ENOENT, "plain": errno.ENOTDIR, "loop": errno.ELOOP}.items():
        found = None
        try:
            list_files(str(folder / name))
        except OSError as error:
            found = error.errno, error.filename
        assert found == (number, str(folder / name))


def grow(path):
    with path.open("ab") as file:
        file.write(b"x")


def grow_unseen(path):
    """The time of modification stays."""
    before = path.stat()
    grow(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def touch(path):
    os.utime(path, (0, 5))


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def another(path):
    """Of the same size and times."""
    before = path.stat()
    path.with_name("new").write_bytes(path.read_bytes())
    path.rename(path.with_name("kept"))
    path.with_name("new").rename(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def folder_instead(path):
    path.unlink()
    path.mkdir()


CHANGES = {
    grow: 0,
    grow_unseen: 0,
    touch: 0,
    pipe: 0,
    another: 0,
    folder_instead: 0,
    lambda path: path.write_bytes(b""): 0,
    lambda path: path.unlink(): errno.ENOENT,
    lambda path: (path.unlink(), path.symlink_to(path.name)): errno.ELOOP,
}


def filled(folder):
    """The paths of files of all sizes, how they are, and what is in them."""
    Path(folder, "sub").mkdir(parents=True)
    paths = [("sub/" if i % 2 else "ä") + f"{i:02}" for i in range(len(SIZES))]
    contents = [bytes([65 + i]) * size for i, size in enumerate(SIZES)]
    for path, data in zip(paths, contents, strict=True):
        Path(folder, path).write_bytes(data)
    return paths, [state(Path(folder, path)) for path in paths], contents


def check_reading(read_files, folder):
    paths, states, contents = filled(Path(folder, "whole"))
    whole = b"".join(contents)
    for spare in (1, 2, 9999):
        buffer = bytearray(b"." * (len(whole) + spare))
        assert read_files(str(Path(folder, "whole")), paths, b"".join(states), buffer) is None
        assert buffer == whole + b"." * spare
    assert read_files(str(folder), [], b"", bytearray(1)) is None
    assert read_files(str(Path(folder, "none")), ["a"], states[0], bytearray(9)) == (
        0,
        errno.ENOENT,
    )
    for number, (change, wrong) in enumerate(CHANGES.items()):
        for index in (3, len(SIZES) - 1):
            inside = Path(folder, f"{number}-{index}")
            paths, states, contents = filled(inside)
            change(Path(inside, paths[index]))
            buffer = bytearray(len(whole) + 1)
            found = read_files(str(inside), paths, b"".join(states), buffer)
            assert found == (index, wrong), (change, found)
            before = b"".join(contents[:index])
            assert buffer[: len(before)] == before
    check_new_rights(read_files, folder)
    check_a_size_that_is_too_large(read_files)


def check_new_rights(read_files, folder):
    """They change no content."""
    path = Path(folder, "rights")
    path.write_bytes(b"1")
    before = state(path)
    while state(path) == before:  # the clock of the filesystem ticks
        path.chmod(0o600)
    assert read_files(str(folder), ["rights"], before, bytearray(2)) is None


def check_a_size_that_is_too_large(read_files):
    """sysfs says 4096 of what has a few bytes: it ends before its time."""
    path = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if path.exists() and path.stat().st_size > len(path.read_bytes()):
        buffer = bytearray(path.stat().st_size + 1)
        assert read_files(str(path.parent), [path.name], state(path), buffer) == (0, 0)


def check_arguments(read_files, folder):
    """What does not fit is refused before anything is read."""
    paths, states, contents = filled(Path(folder, "arguments"))
    packed, size = b"".join(states), sum(map(len, contents))
    huge = struct.pack("=5Q", 0, 0, 2**64 - 1, 0, 0)
    for arguments in (
        (paths, packed, bytearray(size)),
        (paths, packed, bytearray()),
        ([], b"", bytearray()),
        (paths, packed[:-1], bytearray(size + 1)),
        (paths[1:], packed, bytearray(size + 1)),
        (["a", "b"], huge * 2, bytearray(size)),
    ):
        try:
            read_files(str(Path(folder, "arguments")), *arguments)
        except ValueError:
            assert not any(arguments[-1])
        else:
            raise AssertionError(arguments[:2])


def check_all(list_files, read_files, folder):
    check_lists(list_files, Path(folder, "list"))
    check_reading(read_files, Path(folder, "read"))
    check_arguments(read_files, Path(folder, "read"))
