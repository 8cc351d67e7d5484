"""Bad requests by the thousand for test_staging_hostile.py: what each is, its bytes, and how it may be answered."""

from __future__ import annotations

import gzip
import json
import random
import string
import tarfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from hostile_help import Siege, request
from staging_help import inline, member, tar_of

from mfmesos.shared.wire import PROTOCOL

Bad = tuple[str, bytes, tuple[int, ...]]
"""What it is, the request, the statuses that are right (none: any refusal; 0: closed without an answer)."""
PATHS = (
    "../x",
    "../../etc/passwd",
    "/etc/passwd",
    "/tmp/mfmesos-hostile",
    "own.out/../../x",
    "./own.out",
    "own.out/.",
    "a//b",
    "folder/../../x",
    "folder/../x",
    "folder//x",
    "folder/./x",
    "folder/..",
    ".mfmesos/journal.sqlite",
    "mesos_task_state",
    "../flow/x",
    "other",
    "secret.txt",
    "own.out.more",
    "folde",
    "Folder/x",
    "folder\\..\\x",
    "..",
    ".",
    "/",
    "//",
    "~root/x",
    "folder/" + "d/" * 1500 + "x",
    "folder/" + "n" * 300,
    "n" * 5000,
    "own.out\n/x",
    "folder/../\x1b[31mred",
    "\udcff\udcfe",
    "folder\0/../../x",
    "con:folder/x",
    "-rf",
    "%2e%2e/x",
    "..%2fx",
    "own.out\x00.txt",
)
"""Names of members that must not be."""


def _header(name: bytes, size: bytes, kind: bytes = b"0", mode: bytes = b"0000644\0", checksum: bool = True) -> bytes:
    """One tar header as given, its numbers too."""
    block = bytearray(512)
    block[: len(name[:100])] = name[:100]
    block[100:108] = mode[:8].ljust(8, b"\0")
    block[124:136] = size[:12].ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    if checksum:
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax(records: bytes, name: bytes = b"own.out") -> bytes:
    body = records + bytes(-len(records) % 512)
    return _header(b"pax", b"%011o\0" % len(records), b"x") + body + _header(name, b"00000000001\0") + b"x" + bytes(511)


def _record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


END = bytes(1024)


def bad_links(rest: tuple[Any, ...]) -> Iterator[tuple[str, bytes]]:
    """Links in a folder that lead out or to our own files, and members that come by way of a link."""
    for target in ("../../secret.txt", "/etc/../etc/passwd", "/usr/../etc/passwd", "x/../../../secret.txt", "..//../x",
                   "../.mfmesos/journal.sqlite", "../mesos_task_state", "./../.mfmesos", "/" * 4097, "../" * 300 + "x"):
        yield f"a link to {target[:40]}", tar_of(member("folder/x", kind=tarfile.SYMTYPE, link=target), *rest)
    for target in ("twice", ".", "..", "/usr", "/nonexistent"):
        yield f"through a link to {target}", tar_of(
            member("folder/l", kind=tarfile.SYMTYPE, link=target), member("folder/l/x", b"1"), *rest)
        yield f"below a link to {target}", tar_of(
            member("folder/l", kind=tarfile.SYMTYPE, link=target), member("folder/l/x/y", b"1"), *rest)
        yield f"a folder after a link to {target}", tar_of(
            member("folder/l", kind=tarfile.SYMTYPE, link=target), member("folder/l", kind=tarfile.DIRTYPE), *rest)


def bad_tars() -> Iterator[tuple[str, bytes]]:
    """Of the attempt whose outputs are own.out, folder and folder/twice; each is bad for a reason of its own."""
    rest = (member("own.out", b"1"), member("folder/twice", b"2"))
    for name in PATHS:
        for kind in (tarfile.REGTYPE, tarfile.DIRTYPE):
            if kind == tarfile.DIRTYPE and name in (
                "folder/..",
                "folder//x",
                "own.out/.",
                "./own.out",
                "folder\0/../../x",
            ):
                continue  # tarfile itself makes them harmless
            yield f"member {name[:40]!r} {kind!r}", tar_of(member(name, kind=kind), *rest)
    for kind in (
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        b"S",
        b"V",
        b"M",
        b"D",
        b"g",
        b"K",
        b"Z",
        b"\xff",
        b"9",
    ):
        for target in ("/etc/passwd", "../secret.txt", "own.out"):
            for name in ("own.out", "folder/x", "folder"):
                if kind == tarfile.SYMTYPE and name == "folder/x" and target != "/etc/passwd":
                    continue  # within the workflow's folder: kept
                yield f"{name} of kind {kind!r} to {target}", tar_of(member(name, kind=kind, link=target), *rest)
    yield from bad_links(rest)
    # A link first, then something through it.
    yield "through a link", tar_of(member("folder", kind=tarfile.SYMTYPE, link="/tmp"), member("folder/x", b"1"), *rest)
    yield "file, then a folder", tar_of(member("folder", b"1"), member("folder/x", b"1"), *rest)
    yield "folder, then a file", tar_of(*rest, member("folder", b"1"))
    yield "twice", tar_of(*rest, member("own.out", b"other"))
    yield "twice inside", tar_of(*rest, member("folder/a", b"1"), member("folder/a", b"2"))
    yield "one is missing", tar_of(member("own.out", b"1"))
    for size in (
        b"77777777777\0",
        b"\x80" + b"\xff" * 11,
        b"\x80" + bytes(3) + b"\xff" * 8,
        b"-0000000001\0",
        b"zzz",
        b"\xff" * 12,
        b"0x10\0",
        b"1_0\0",
        b"\xd9\xa3\0",
    ):
        yield f"size {size!r}", _header(b"own.out", size) + b"x" * 512 + END
        yield f"folder of size {size!r}", _header(b"folder", size, b"5") + END
        yield f"long name of size {size!r}", _header(b"@", size, b"L") + b"x" * 512 + END
    for value in (b"9" * 30, b"9" * 4000, b"9" * 60_000, b"-1", b"1e9", b"", b" 1", b"\xd9\xa3"):
        yield f"pax size of {value[:9]!r} x {len(value)}", _pax(_record(b"size", value)) + END
    for name in PATHS:
        yield f"pax path {name[:40]!r}", _pax(_record(b"path", name.encode("utf-8", "surrogateescape"))) + END
    for records in (
        b"5 x\n",
        b"999 path=x\n",
        b"0 a=b\n",
        b"path=x\n",
        b"-5 a=b\n",
        b"11 path=own",
        b"\0" * 100,
        b" =\n",
        *(_record(b"MFMESOS.holes", value) for value in (
            b"", b"1", b"1 0", b"1 0 2", b"2 1 1 0 1", b"9 0 0 0 1", b"9999999999999999999 0 1", b"17592186044417 0 1",
            b"x 0 1", b"-5 0 1", b"1 0 1 0", b"5 4 2")),
        _record(b"GNU.sparse.major", b"1"),
        _record(b"GNU.sparse.size", b"99999999999"),
        b"9" * 5000,
    ):
        yield f"pax {records[:20]!r}", _pax(records) + END
    yield "no checksum", _header(b"own.out", b"00000000000\0", checksum=False) + END
    yield "mode is no number", _header(b"own.out", b"00000000000\0", mode=b"rwxrwxr\0") + END
    yield "stops in a file", tar_of(*rest)[:700]
    yield "no end", tar_of(*rest, end=False)
    yield "something after the end", tar_of(*rest) + tar_of(*rest)
    yield "gzip", gzip.compress(tar_of(*rest))
    yield "v7", tar_of(*rest).replace(b"ustar", b"     ")
    yield "many", tar_of(*(member(f"folder/{n}", b"") for n in range(300)), member("x"))


def deliveries(siege: Siege) -> Iterator[Bad]:
    """Bad tars, as a stream and in a sync (there only the result is bad)."""
    token = siege.tokens["thief"]
    for number, (what, tar) in enumerate(bad_tars()):
        yield f"PUT {what}", request("PUT", "/claims/thief/attempts/2.1/outputs", token, tar), (400,)
        body = {
            "protocol": PROTOCOL,
            "seq": number + 1,
            "results": [{"attempt": "2.1", "outcome": "finished", "usage": {}, "tar": inline(tar)}],
        }
        yield f"sync {what}", request("POST", "/claims/thief/sync", token, json.dumps(body).encode()), (200,)


def routes(siege: Siege, claim: str) -> list[tuple[str, str]]:
    attempt = {"good": "1.1", "thief": "2.1", "ended": "3.1"}.get(claim, "1.1")
    digest = siege.digests["good"][0]
    return [
        ("POST", f"/claims/{claim}/sync"),
        ("GET", f"/claims/{claim}/files/{digest}"),
        ("PUT", f"/claims/{claim}/attempts/{attempt}/outputs"),
    ]


def bad_tokens(siege: Siege, chance: random.Random) -> Iterator[Bad]:
    """Every route with every token that is not the claim's."""
    letters = string.ascii_letters + string.digits + "-_"
    for claim in ("good", "thief", "ended", "nobody", "", "..", "good%00", "%2e%2e", "GOOD", "good ", "x" * 3000):
        named = quote(claim, safe="%")
        own = siege.tokens.get(claim, "x" * 43)
        tokens = [
            "",
            "null",
            "Bearer",
            own[:-1],
            own + "x",
            own.swapcase(),
            own[::-1],
            own[1:],
            " " + own[:-1],
            own + "\t;",
            own[:20] + "\xff" + own[21:],
            "\udcff" * 43,
            "x" * 8000,
        ]
        tokens += [token for other, token in siege.tokens.items() if other != claim]
        tokens += ["".join(chance.choices(letters, k=43)) for _ in range(20)]
        # One that differs in one place only.
        tokens += [own[:i] + ("A" if own[i] != "A" else "B") + own[i + 1 :] for i in range(42)]
        for method, path in routes(siege, named):
            yield "no token", request(method, path, None), (401, 404)
            for headers in (
                (f"Authorization: Basic {own}",),
                (f"Authorization: bearer{own}",),
                (f"Authorization: {own}",),
                (f"Cookie: token={own}",),
                (f"X-Authorization: Bearer {own}",),
                ("Authorization: Bearer x", f"Authorization: Bearer {own}"),
            ):
                yield "elsewhere", request(method, path, None, b"", *headers), (400, 401, 404)
            for token in tokens:
                yield f"{method} {claim} with a wrong token", request(method, path, token), (400, 401, 404)
        if claim == "ended":
            for method, path in routes(siege, named):
                yield "a claim that has ended", request(method, path, own), (410,)


def others_things(siege: Siege, chance: random.Random) -> Iterator[Bad]:
    """What a stolen token is used for: other claims' inputs and outputs, and whatever else there may be."""
    token = siege.tokens["thief"]
    foreign = [
        siege.digests["good"][0],
        siege.digests["ended"][0],
        "secret.txt",
        "..%2fsecret.txt",
        "%2fetc%2fpasswd",
        "0" * 64,
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%00",
        "*",
        ".",
        "..",
        siege.digests["thief"][0].upper(),
        siege.digests["thief"][0] + "%00",
        siege.digests["thief"][0] + "%2f..%2fx",
    ]
    foreign += ["".join(chance.choices("0123456789abcdef", k=64)) for _ in range(400)]
    for digest in foreign:
        yield "another's input", request("GET", f"/claims/thief/files/{digest}", token), (400, 401, 404)
    own = siege.digests["thief"][0]
    for path in (
        f"/claims/thief/files/{own}/..%2fx",
        f"/claims/thief/files//{own}",
        f"//claims/thief/files/{own}",
        f"/claims/thief/../good/files/{siege.digests['good'][0]}",
        "/archive/x/y",
        "/",
        "/claims",
        "/claims/thief",
        "/.mfmesos/journal.sqlite",
        "/secret.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "*",
        "/static/secret.txt",
        siege.about["archive"].split("/", 3)[3] + "x",
        f"/archive/{token}/mfmesos-executor",
        "/archive//",
        f"/archive/{siege.about['archive'].split('/')[4]}/..%2fsecret.txt",
        "/archive/\udcff/\udcff",
    ):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"):
            yield f"{method} {path}", request(method, path, token), (400, 401, 404, 405)
    tar = tar_of(member("result.txt", b"evil"), member("own.out", b"evil"), member("ended.out", b"evil"))
    attempts = ["1.1", "3.1", "2.2", "2", "", "..", "2.1%2f..%2f1.1", "%2e%2e", "1.1%00", "2.1x", "x" * 4000]
    attempts += [f"{number}.1" for number in range(100, 400)]
    for number, attempt in enumerate(attempts):
        yield (
            "another's output",
            request("PUT", f"/claims/thief/attempts/{attempt}/outputs", token, tar),
            (400, 401, 404),
        )
        body = {
            "protocol": PROTOCOL,
            "seq": number,
            "running": [attempt],
            "results": [{"attempt": attempt or "x", "outcome": "finished", "usage": {}, "tar": inline(tar)}],
        }
        # A sync is heard: it is the scheduler that knows whose attempt it is. Nothing of it may be kept.
        yield "another's result", request("POST", "/claims/thief/sync", token, json.dumps(body).encode()), (200, 400)


def bad_syncs(siege: Siege, chance: random.Random) -> Iterator[Bad]:
    """Bodies that are no sync, or one with values that no machine can have."""
    token = siege.tokens["thief"]
    values: list[Any] = [
        None,
        True,
        -1,
        10**30,
        1e999,
        float("nan"),
        -1e999,
        "",
        "x",
        [],
        {},
        [[]],
        "\ud800",
        "\0",
        "9" * 5000,
        [None],
        {"a": 1},
        0.5,
    ]
    good = {
        "protocol": PROTOCOL,
        "seq": 1,
        "got": 0,
        "running": [],
        "results": [],
        "memory_mb": 1.0,
        "disk_mb": 1.0,
        "free_disk_mb": -1.0,
        "closing": False,
    }
    result = {
        "attempt": "2.1",
        "outcome": "failed",
        "reason": "",
        "exit_code": 1,
        "signal": 1,
        "resource": None,
        "stdout": "",
        "stderr": "",
        "missing_outputs": [],
        "tar": None,
        "usage": {},
    }
    usage = {"memory_mb": 1.0, "disk_mb": 1.0, "cores": 1.0, "cpu_s": 1.0, "wall_s": 1.0}
    bodies: list[tuple[str, Any]] = []
    for value in values:
        bodies += [(f"{key}={value!r:.20}", {**good, key: value}) for key in good]
        bodies += [(f"result.{key}={value!r:.20}", {**good, "results": [{**result, key: value}]}) for key in result]
        bodies += [
            (f"usage.{key}={value!r:.20}", {**good, "results": [{**result, "usage": {**usage, key: value}}]})
            for key in usage
        ]
        bodies.append((f"{value!r:.20}", value))
    for what, body in bodies:
        # Some are harmless: what counts is that it is no error of the server's, and what reaches the scheduler is sane.
        yield f"sync {what}", request("POST", "/claims/thief/sync", token, json.dumps(body).encode()), (200, 400)
    whole = json.dumps({**good, "results": [result]}).encode()
    for cut in range(0, len(whole), 3):
        yield "cut sync", request("POST", "/claims/thief/sync", token, whole[:cut]), (400,)
    for _ in range(300):
        spoilt = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        yield "spoilt sync", request("POST", "/claims/thief/sync", token, bytes(spoilt)), (200, 400)
    for body in (
        b"[" * 50_000,
        b'{"a":' * 50_000,
        b"\xff\xfe",
        b"\0" * 1000,
        b'{"seq":' + b"9" * 5000 + b"}",
        b'{"seq":1}' * 9,
        b'{"seq":1e5}',
        b'{"seq":1,"seq":"x"}',
        b'{"seq":1,"__class__":1,"results":[{"__init__":1}]}',
    ):
        yield f"sync {body[:10]!r}", request("POST", "/claims/thief/sync", token, body), (200, 400)


def bad_http(siege: Siege, chance: random.Random) -> Iterator[Bad]:
    """What is no request, or one that two servers would read differently."""
    token = siege.tokens["thief"]
    path = f"/claims/thief/files/{'0' * 64}"
    auth = f"Authorization: Bearer {token}"
    yield "long line", request("GET", "/" + "x" * 20_000), (400, 414)
    yield "long header", request("GET", path, token, b"", "X: " + "x" * 20_000), (400, 431)
    yield "many headers", request("GET", path, token, b"", *(f"X-{i}: 1" for i in range(3000))), (400, 431)
    yield "long header name", request("GET", path, token, b"", "x" * 20_000 + ": 1"), (400, 431)
    for headers in (
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("Content-Length: 1e3",),
        ("Content-Length: 0x10",),
        ("Content-Length: " + "9" * 30,),
        ("Transfer-Encoding: chunked", "Content-Length: 3"),
        ("Transfer-Encoding: gzip",),
        ("Transfer-Encoding: chunked, chunked",),
        ("X : 1",),
        (": 1",),
        ("X\0: 1",),
        ("Content-Length: +5",),
        ("no colon",),
        ("Expect: a miracle",),
        ("Transfer-Encoding: \x0bchunked",),
    ):
        for method, where in (
            ("POST", "/claims/thief/sync"),
            ("PUT", "/claims/thief/attempts/2.1/outputs"),
            ("POST", "/nowhere"),
        ):
            yield (
                f"{headers}",
                request(method, where, token, None, *headers) + b"0\r\n\r\n",
                (0, 400, 401, 404, 411, 413, 417, 501),
            )
    for chunks in (
        b"zz\r\n",
        b"-1\r\nx\r\n",
        b"ffffffffffffffffff\r\nx",
        b"5\r\nabc\r\n0\r\n\r\n",
        b"1;" + b"x" * 20_000 + b"\r\n",
    ):
        yield (
            f"chunks {chunks[:10]!r}",
            request("PUT", "/claims/thief/attempts/2.1/outputs", token, None, "Transfer-Encoding: chunked")
            + chunks
            + b"\r\n",
            (0, 400),
        )
    bomb = gzip.compress(bytes(8 << 20))
    for coding in ("gzip", "deflate", "br", "zstd", "x-gzip", "gzip, gzip"):
        for method, where in (("POST", "/claims/thief/sync"), ("PUT", "/claims/thief/attempts/2.1/outputs")):
            yield (
                f"bomb in {coding}",
                request(method, where, token, bomb, f"Content-Encoding: {coding}"),
                (400, 413, 415),
            )
    yield "too large", request("POST", "/claims/thief/sync", token, bytes(5 << 20)), (413,)
    for start in (
        "GET",
        "get / HTTP/1.1",
        "GET / HTTP/9.9",
        "GET /",
        "GET  / HTTP/1.1",
        "\0",
        "SSH-2.0-x",
        "PRI * HTTP/2.0",
        "\x16\x03\x01",
        "CONNECT x:1 HTTP/1.1",
        "GET http://127.0.0.1:1/ HTTP/1.1",
        "GET /\x7f\udcff HTTP/1.1",
        f"GET {path} HTTP/1.1 {auth}",
    ):
        for end in ("\r\n\r\n", "\n\n", f"\r\n{auth}\r\n\r\n", f"\r\n {auth}\r\n\r\n", "\r\n\0\r\n\r\n"):
            yield f"{start!r}", f"{start}{end}".encode("utf-8", "surrogateescape"), (0, 400, 401, 404, 405, 426, 505)
    for _ in range(400):
        junk = chance.randbytes(chance.randint(1, 300)) + b"\r\n\r\n"
        yield "junk", junk, (0, 400, 401, 404, 405)
    good = request("GET", path, token)
    for _ in range(1200):
        spoilt = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            spoilt[chance.randrange(len(spoilt) - 4)] = chance.randrange(256)
        yield "spoilt request", bytes(spoilt) + b"\r\n\r\n", (0, 400, 401, 404, 405, 413, 417, 501, 505)


def replays(siege: Siege) -> Iterator[Bad]:
    """Results and outputs that were taken, reported and settled are reported again, and old syncs are repeated."""
    from staging_help import files_tar

    token, evil = siege.tokens["good"], files_tar(**{"result.txt": b"evil"})
    result = {"attempt": "1.1", "outcome": "finished", "usage": {}, "tar": inline(evil)}
    for seq in [0, 1, 1, 2, 2**31, 2**63, 2**64, 1] * 25:
        body = json.dumps({"seq": seq, "running": ["1.1"], "results": [result, result]}).encode()
        yield f"old sync {seq}", request("POST", "/claims/good/sync", token, body), (200, 400)
        yield "old outputs", request("PUT", "/claims/good/attempts/1.1/outputs", token, evil), (404,)


def all_of_them(siege: Siege, seed: int) -> Iterator[Bad]:
    chance = random.Random(seed)
    yield from bad_tokens(siege, chance)
    yield from others_things(siege, chance)
    yield from deliveries(siege)
    yield from bad_syncs(siege, chance)
    yield from bad_http(siege, chance)
    yield from replays(siege)
