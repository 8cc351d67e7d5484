"""Reads a tar stream piece by piece as it arrives, in bounded memory, and trusts nothing in it.

The standard tarfile module pulls, accepts a stream that stops between two members, and keeps the content of a header of
any size. Here the stream is pushed in, only plain files, folders and symbolic links are accepted, and the end mark is
required. The reader supports ustar, GNU (long names, large sizes) and pax (path, linkpath and size), as Python's and
GNU's tar write them, and the executor's own fields (see mfmesos.shared.wire).
"""
from __future__ import annotations

from typing import Protocol

from mfmesos.shared.messages import streams as m
from mfmesos.shared.phrases import printable
from mfmesos.shared.tarmarks import TAR_HOLES, byte_sum, tar_mtime_ns
from mfmesos.shared.values import value

BLOCK = 512
MAX_META_BYTES = 64 * 1024
"""A pax header or a long name larger than this is refused."""
MAX_NAME_BYTES = 4096
MAX_SPARSE_BYTES = 1 << 44
"""A sparse file larger than this, 16 TiB, is refused."""
MAX_SHOWN = 120
"""Maximum length of a quoted name in an error."""
_ZERO = bytes(BLOCK)
_KINDS = {
    b"1": m.KIND_HARD_LINK(), b"3": m.KIND_DEVICE(), b"4": m.KIND_DEVICE(), b"6": m.KIND_PIPE(),
    b"S": m.KIND_SPARSE(), b"g": m.KIND_GLOBAL_HEADER(),
}


def shown(name: str) -> str:
    """A foreign name, printable in one line of a log or terminal."""
    return printable(name, MAX_SHOWN)


class BadTar(ValueError):
    """The stream is no tar of plain files, folders and links; the text is the reason, in one plain line."""


@value(frozen=True)
class Member:
    """A file, folder or link in the stream. `name` as in the stream, but without a trailing slash."""

    name: str
    size: int
    """Bytes of a file's content, holes included; otherwise 0."""
    mode: int
    """Permission bits alone, at most 0o777."""
    is_dir: bool
    target: str = ""
    """The target of a link, unchecked."""
    mtime_ns: int | None = None
    pieces: tuple[tuple[int, int], ...] | None = None
    """For a sparse file: offset and length of each piece of data, in order, within `size`. None: the whole content
    follows.
    """


class Sink(Protocol):
    """Receives the members. Any of its exceptions ends the reading."""

    def begin(self, member: Member) -> None:
        """A member begins."""

    def data(self, data: memoryview) -> None:
        """A piece of its content."""

    def end(self) -> None:
        """The content is complete."""


def _number(field: bytes, what: str) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    try:
        value = int(text, 8) if text else 0
    except ValueError:
        raise BadTar(m.HEADER_NOT_NUMBER(what=what)) from None
    if value < 0:
        raise BadTar(m.HEADER_NEGATIVE(what=what))
    return value


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _pax(raw: bytes) -> dict[str, bytes]:
    """The records of a pax header: "LENGTH KEY=VALUE\\n" each."""
    records: dict[str, bytes] = {}
    position = 0
    while position < len(raw):
        space = raw.find(b" ", position, position + 10)
        digits = raw[position:space] if space > 0 else b""
        end = position + int(digits) if digits.isdigit() else 0
        key, equals, value = raw[space + 1:end - 1].partition(b"=")
        if end <= space or end > len(raw) or raw[end - 1:end] != b"\n" or not equals:
            raise BadTar(m.HEADER_PAX())
        records[key.decode("utf-8", "replace")] = value
        position = end
    return records


def _holes(value: bytes, sent: int) -> tuple[int, tuple[tuple[int, int], ...]]:
    """A sparse file's size and pieces, of which `sent` bytes follow."""
    words = value.split(b" ")
    if len(words) % 2 == 0 or any(not word.isdigit() or len(word) > 18 for word in words):
        raise BadTar(m.HEADER_HOLES())
    size, *rest = map(int, words)
    pieces = tuple(zip(rest[::2], rest[1::2]))
    position = 0
    for start, length in pieces:
        if start < position or not length:
            raise BadTar(m.HEADER_HOLES())
        position = start + length
    if position > size or size > MAX_SPARSE_BYTES or sum(length for _, length in pieces) != sent:
        raise BadTar(m.HEADER_HOLES())
    return size, pieces


class TarReader:
    """`feed` the stream in pieces of any size, then `finish`."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._head = bytearray()
        self._left = 0
        self._pad = 0
        self._meta: bytearray | None = None
        self._meta_kind = b""
        self._pax: dict[str, bytes] = {}
        self._long_name: bytes | None = None
        self._long_link: bytes | None = None
        self._zeros = 0

    def feed(self, data: bytes | bytearray) -> None:
        """Raises BadTar, and all exceptions of the sink."""
        view = memoryview(data)
        while view:
            if self._left:
                view = self._content(view)
            elif self._pad:
                skipped = min(self._pad, len(view))
                self._pad -= skipped
                view = view[skipped:]
            else:
                view = self._header_bytes(view)

    def finish(self) -> None:
        """Raises BadTar if the stream stopped before its end mark."""
        if self._zeros < 2 or self._left or self._head:
            raise BadTar(m.STREAM_ENDED_EARLY())

    def _content(self, view: memoryview) -> memoryview:
        piece, rest = view[:self._left], view[self._left:]
        self._left -= len(piece)
        if self._meta is not None:
            self._meta += piece
            if not self._left:
                self._take_meta(bytes(self._meta))
                self._meta = None
        else:
            self._sink.data(piece)
            if not self._left:
                self._sink.end()
        return rest

    def _header_bytes(self, view: memoryview) -> memoryview:
        if not self._head and len(view) >= BLOCK:
            self._block(bytes(view[:BLOCK]))
            return view[BLOCK:]
        wanted = BLOCK - len(self._head)
        self._head += view[:wanted]
        if len(self._head) == BLOCK:
            block = bytes(self._head)
            self._head.clear()
            self._block(block)
        return view[wanted:]

    def _block(self, block: bytes) -> None:
        if block == _ZERO:
            if self._pax or self._long_name is not None or self._long_link is not None:
                raise BadTar(m.HEADER_ALONE())
            self._zeros += 1
            return
        if self._zeros:
            raise BadTar(m.STREAM_AFTER_END())
        if block[257:262] != b"ustar":
            raise BadTar(m.STREAM_NOT_TAR())
        if _number(block[148:156], "checksum") != byte_sum(block) - sum(block[148:156]) + 8 * 32:
            raise BadTar(m.HEADER_CHECKSUM())
        size = _number(block[124:136], "size")
        kind = block[156:157]
        if kind in (b"x", b"L", b"K"):
            self._begin_meta(kind, size)
        else:
            self._begin_member(block, kind, size)

    def _begin_meta(self, kind: bytes, size: int) -> None:
        if not 0 < size <= MAX_META_BYTES:
            raise BadTar(m.HEADER_SIZE(size=size))
        self._meta, self._meta_kind = bytearray(), kind
        self._left, self._pad = size, -size % BLOCK

    def _take_meta(self, raw: bytes) -> None:
        if self._meta_kind == b"L":
            self._long_name = raw
        elif self._meta_kind == b"K":
            self._long_link = raw
        else:
            self._pax = _pax(raw)

    def _begin_member(self, block: bytes, kind: bytes, size: int) -> None:
        name = self._name(block)
        if kind not in (b"0", b"\0", b"7", b"5", b"2"):
            raise BadTar(m.MEMBER_KIND(name=shown(name), kind=_KINDS.get(kind) or m.KIND_UNKNOWN()))
        pax = self._pax
        if "size" in pax:
            # Python itself refuses to parse a number of thousands of digits, with an error of its own.
            if not pax["size"].isdigit() or len(pax["size"]) > 20:
                raise BadTar(m.MEMBER_SIZE(name=shown(name)))
            size = int(pax["size"])
        if pax and any(key.startswith("GNU.sparse") for key in pax):
            raise BadTar(m.MEMBER_SPARSE(name=shown(name)))
        target = self._target(block, name) if kind == b"2" else ""
        is_dir = kind == b"5" or (kind == b"\0" and name.endswith("/"))
        if is_dir or target:
            size = 0
        elif name.endswith("/"):
            raise BadTar(m.MEMBER_FOLDER_NAME(name=shown(name)))
        whole, pieces = size, None
        if TAR_HOLES in pax and not is_dir and not target:
            whole, pieces = _holes(pax[TAR_HOLES], size)
        self._long_name = self._long_link = None
        if pax:
            self._pax = {}
        self._sink.begin(Member(
            name[:-1] if name.endswith("/") else name, whole, _number(block[100:108], "mode") & 0o777, is_dir, target,
            tar_mtime_ns(_number(block[136:148], "time"), _text(block[265:297])), pieces))
        self._left, self._pad = size, -size % BLOCK
        if not size:
            self._sink.end()

    def _target(self, block: bytes, name: str) -> str:
        raw = self._long_link if self._long_link is not None else self._pax.get("linkpath", block[157:257])
        target = _text(raw)
        if not target or len(target) > MAX_NAME_BYTES or name.endswith("/"):
            raise BadTar(m.MEMBER_NO_TARGET(name=shown(name)))
        return target

    def _name(self, block: bytes) -> str:
        if self._long_name is not None:
            name = _text(self._long_name)
        elif "path" in self._pax:
            if b"\0" in self._pax["path"]:
                raise BadTar(m.MEMBER_ZERO_BYTE())
            name = _text(self._pax["path"])
        else:
            name = _text(block[:100])
            prefix = _text(block[345:500]) if block[257:265] == b"ustar\x0000" else ""
            if prefix:
                name = f"{prefix}/{name}"
        if not name or len(name) > MAX_NAME_BYTES:
            raise BadTar(m.MEMBER_NO_NAME())
        return name
