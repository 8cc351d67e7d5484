"""Inputs in place, outputs delivered: names of all sorts, folders, links, large and damaged ones."""
from __future__ import annotations

import errno
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from executor_fakes import contents, run
from mfmesos_executor.files import copy_file
from support import need, wait_until

from mfmesos.shared import tarmarks, wire
from mfmesos.staging.incoming import unpack
from mfmesos.staging.names import plan_outputs


def one(staging, attempt: str, command: str, *args, **kw):
    staging.run(run(attempt, command, *args, **kw))
    return staging.wait(attempt)[0]


def tree(tmp_path):
    """A folder with a script, a subfolder, an empty one and a link."""
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "sub" / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (folder / "sub" / "run.sh").chmod(0o755)
    (folder / "data").write_bytes(b"data")
    (folder / "link").symlink_to("sub/run.sh")
    return folder


def test_names_of_inputs(executor, staging):
    """Subdirectories, ../ at two depths and executables are where the command expects them."""
    inputs = [staging.add("a/b/in1", b"1"), staging.add("../up", b"2"), staging.add("../../far/up2", b"3"),
              staging.add("./tool.sh", b"#!/bin/sh\necho 4\n", 0o755), staging.add("a//c", b"5")]
    command = "cat a/b/in1 ../up ../../far/up2 a/c > o && ./tool.sh >> o"
    assert contents(one(staging, "1.1", command, inputs, ["o"])) == {"o": b"12354\n"}


def test_the_way_through_the_folders_own_name(executor, staging):
    """../project/in is the same file as in, as it is beside the workflow's folder."""
    item = staging.add("../x", b"1")
    result = one(staging, "1.1", "cat ../project/../x > ../project/o", [item], ["o"])
    assert contents(result) == {"o": b"1"}


def test_absolute_inputs(executor, staging):
    """Absolute paths in the command are replaced where they stand as paths, and nowhere else."""
    inputs = [staging.add("/opt/data/db", b"D"), staging.add("/opt/data/db.idx", b"I"), staging.add("/opt/x", b"X")]
    command = ("cat /opt/data/db '/opt/data/db.idx' \"/opt/x\" > o; for i in /opt/x; do cat $i; done >>o; "
               "echo /a/opt/x >> o")
    assert contents(one(staging, "1.1", command, inputs, ["o"])) == {"o": b"DIXX/a/opt/x\n"}


def test_paths_in_the_workflows_folder(executor, staging):
    """workdir/NAME of declared inputs and outputs leads to the sandbox; an absolute output is named relatively."""
    work = "/home/user/project"
    inputs = [staging.add(f"{work}/in", b"1"), staging.add("sub/in2", b"2")]
    command = f"cd /tmp && cat {work}/in {work}/sub/in2 > {work}/out && echo x >{work}/d/out2"
    result = one(staging, "1.1", command, inputs, [f"{work}/out", "d/out2"])
    assert contents(result) == {"out": b"12", "d/out2": b"x\n"}


def test_a_folder_as_an_input(executor, staging, tmp_path):
    """Its files, modes, empty folders and links are there; its manifest's digest is checked."""
    item = staging.add_dir("t", tree(tmp_path))
    command = "t/link > o; cat t/data >> o; test -d t/empty && readlink t/link >> o"
    assert contents(one(staging, "1.1", command, [item], ["o"])) == {"o": b"ran\ndatasub/run.sh\n"}
    staging.damage = 99
    damaged = one(staging, "2.1", "true", [staging.add_dir("t2", tree(tmp_path / "2"))], [])
    # The folder is the same: it comes from the cache.
    assert damaged.outcome == "finished"


def test_an_absolute_folder(executor, staging, tmp_path):
    """Paths below a folder that is an absolute input are replaced, too."""
    item = staging.add_dir("/opt/tree", tree(tmp_path))
    result = one(staging, "1.1", "cat /opt/tree/data > o; ls -d /opt/tree/ >> o", [item], ["o"])
    assert contents(result)["o"].startswith(b"data/")
    assert b"/abs/opt/tree/" in contents(result)["o"]


def test_a_file_in_an_input_folder(executor, staging, tmp_path):
    """A file declared beside a folder that holds it replaces the one in it."""
    inputs = [staging.add("t/data", b"new"), staging.add_dir("t", tree(tmp_path), shared=False)]
    assert contents(one(staging, "1.1", "cat t/data t/sub/run.sh > o", inputs, ["o"]))["o"].startswith(b"new#!")


@pytest.mark.parametrize("shared", [True, False])
def test_inputs_are_safe_from_tasks(executor, staging, shared, tmp_path):
    """A task that overwrites, appends to or deletes its input does not change it for the next one."""
    for n in range(2):
        folder = tree(tmp_path / str(n))
        inputs = [staging.add("in", b"good", shared=shared), staging.add_dir("t", folder, shared=shared)]
        command = "cat in t/data > o; echo bad >> in; echo bad > t/data; rm -rf t/sub; chmod 0 in"
        assert contents(one(staging, f"{n}.1", command, inputs, ["o"])) == {"o": b"gooddata"}


def test_a_digest_is_fetched_once(executor, staging):
    """Eight attempts that want the same input at the same time fetch it once; later ones not at all."""
    item = staging.add("big", os.urandom(300_000))
    staging.get_delay.clear()
    names = [f"{i}.1" for i in range(8)]
    staging.run(*(run(name, "cat big > o", [item], ["o"]) for name in names))
    wait_until(lambda: staging.gets)
    staging.get_delay.set()
    staging.wait(*names)
    one(staging, "9.1", "cat big > o", [item], ["o"])
    assert staging.gets == [item.digest]


def test_an_input_for_one_alone_is_not_kept(executor, staging):
    """What nobody else wants is moved, not copied, and not in the cache afterwards."""
    result = one(staging, "1.1", "wc -c < in", [staging.add("in", os.urandom(200_000), shared=False)])
    assert result.stdout.strip() == "200000"
    (cache,) = executor.folder.glob(".mfmesos/*/cache")
    assert not list(cache.iterdir())


def test_the_cache_is_bounded(start, staging):
    """Inputs that nobody uses are removed when the claim's disk fills up; they are fetched again then."""
    executor = start(disk_mb=8.0)
    items = [staging.add("in", os.urandom(1 << 20)) for _ in range(8)]
    for n, item in enumerate([*items, items[0]]):
        one(staging, f"{n}.1", "true", [item])
        (cache,) = executor.folder.glob(".mfmesos/*/cache")
        kept = sum(p.stat().st_size for p in cache.iterdir())
        assert kept <= 5 << 20
    assert staging.gets.count(items[0].digest) == 2
    assert staging.gets.count(items[5].digest) == 1


def test_a_damaged_transfer_is_repeated(executor, staging):
    """Content that does not have its digest is fetched again, and after three times given up as broken."""
    staging.damage = 2
    assert contents(one(staging, "1.1", "cat in > o", [staging.add("in", b"x" * 9)], ["o"])) == {"o": b"x" * 9}
    staging.damage = 99
    result = one(staging, "2.1", "cat in > o", [staging.add("in", b"y" * 9)], ["o"])
    assert result.outcome == "broken"
    assert "input in could not be fetched: after 3 tries" in result.reason


def test_an_input_that_cannot_be_had(executor, staging):
    """The scheduler's refusal and its words reach the user; it is the cluster's doing, not the task's."""
    staging.file_status = 409
    result = one(staging, "1.1", "cat in > o", [staging.add("in", b"x")], ["o"])
    assert (result.outcome, result.reason) == ("broken", "input in could not be fetched: no such file")


def test_a_dropped_connection_is_survived(executor, staging):
    """Requests that get no answer are sent again."""
    one(staging, "1.1", "true")
    staging.broken = 2
    assert one(staging, "2.1", "cat in", [staging.add("in", b"ok")]).stdout == "ok"


def test_folders_of_outputs_are_made(executor, staging):
    """A command may write to out/deep/o without making the folders."""
    result = one(staging, "1.1", "echo 1 > out/deep/o; echo 2 > out/p", [], ["out/deep/o", "./out//p"])
    assert contents(result) == {"out/deep/o": b"1\n", "out/p": b"2\n"}


def test_a_folder_as_an_output(executor, staging):
    """Its files with their modes, subfolders, empty folders; links to what is not delivered are followed."""
    command = ("mkdir -p d/s d/e; echo 1 > d/s/x; chmod 755 d/s/x; ln -s s/x d/l; ln -s ../in d/in; "
               "ln -s $TMPDIR/t o; echo 3 > $TMPDIR/t")
    found = contents(one(staging, "1.1", command, [staging.add("in", b"2")], ["d", "o"]))
    assert found == {"d/": b"", "d/s/": b"", "d/e/": b"", "d/s/x": b"1\n", "d/l": b"1\n", "d/in": b"2", "o": b"3\n"}


@pytest.mark.parametrize(("command", "words"), [
    ("ln -s /etc/passwd o", "leads out of the task's folder"),
    ("mkdir o; ln -s /etc o/x", "leads out of the task's folder"),
    ("ln -s ../../../.. o", "leads out of the task's folder"),
    ("ln -s nowhere o", "output o missing"),
    (f"mkdir o; ln -s {'../' * 40}etc/passwd o/x", "leads out of the task's folder"),
    ("mkdir o; ln -s ../../nowhere o/x", "leads out of the task's folder"),
    ("mkfifo o", "neither a file nor a folder"),
    ("mkdir o; mkfifo o/x", "neither a file nor a folder"),
])
def test_outputs_that_cannot_be(executor, staging, command, words):
    """Links out of the sandbox and pipes fail the attempt with a plain line."""
    result = one(staging, "1.1", command, [], ["o"])
    assert result.outcome == "failed"
    assert words in result.reason


def links(result: wire.Result) -> dict[str, str]:
    """The links in a result's outputs and where they lead to."""
    with tarfile.open(fileobj=io.BytesIO(result.tar_bytes() or b"")) as tar:
        return {member.name: member.linkname for member in tar if member.issym()}


def test_links_in_a_folder_stay_links(executor, staging):
    """Relative ones as written, absolute ones into the sandbox made relative; circles and links to nowhere, too; those
    to a program or a part of the system; and one whose target is long."""
    long = "n" * 150
    command = (f"mkdir -p d/s e; echo 1 > d/s/x; echo 1 > e/y; cd d; ln -s s/x l; ln -s . self; ln -s .. up; "
               f"ln -s gone y; ln -s /nonexistent/t z; ln -s $HOME/d/s/x abs; ln -s $PWD pwd; ln -s ../e/y other; "
               f"ln -s /bin/sh sh; "
               f"ln -s loop loop; ln -s {long} long; ln -s ./s/../s s2; ln -s $WF/d/s wf")
    result = one(staging, "1.1", command, [], ["d", "e"], workdir="/w/flow", env={"WF": "/w/flow"})
    assert result.outcome == "finished", result.reason
    assert links(result) == {
        "d/l": "s/x", "d/self": ".", "d/up": "..", "d/y": "gone", "d/z": "/nonexistent/t", "d/abs": "s/x", "d/pwd": ".",
        "d/other": "../e/y", "d/sh": "/bin/sh", "d/loop": "loop", "d/long": long, "d/s2": "./s/../s", "d/wf": "s"}


def test_modes_and_times_of_outputs(executor, staging):
    """As they are in the sandbox, to the nanosecond: of files and folders, read-only ones included."""
    command = ("mkdir d; echo 1 > d/x; echo 2 > o; touch -d '2001-02-03 04:05:06.000000007 UTC' d/x; "
               "chmod 664 d/x; chmod 2775 d; touch -d '2002-02-03 04:05:06.5 UTC' d; chmod 600 o")
    result = one(staging, "1.1", command, [], ["d", "o"])
    with tarfile.open(fileobj=io.BytesIO(result.tar_bytes() or b"")) as tar:
        found = {m.name: (m.mode, tarmarks.tar_mtime_ns(int(m.mtime), m.uname)) for m in tar}
    assert found["d/x"] == (0o664, 981173106_000000007)
    assert found["d"] == (0o775, 1012709106_500000000)
    assert found["o"][0] == 0o600
    assert list(found) == ["d/x", "d", "o"], "a folder's time comes after what changes it"


def test_times_of_inputs(executor, staging, tmp_path):
    """An index that is younger than its data stays so; two inputs of one content have each its own time."""
    early, late = (staging.add(name, b"same") for name in ("data", "index"))
    early.mtime_ns, late.mtime_ns = 1_000_000_000_000_000_007, 1_000_000_000_000_000_009
    for name, seconds in (("a", 1_000_000_005), ("b", 1_000_000_004), (".", 1_000_000_002.5)):
        (tmp_path / "t").mkdir(exist_ok=True)
        (tmp_path / "t" / name).is_dir() or (tmp_path / "t" / name).write_bytes(b"")
        os.utime(tmp_path / "t" / name, (seconds, seconds))
    folder = staging.add_dir("t", tmp_path / "t")
    folder.mtime_ns = 1_000_000_002_500_000_000
    command = "[ index -nt data ] && [ t/b -ot t/a ] && stat -c %.9Y data index t/a t > o"
    result = one(staging, "1.1", command, [early, late, folder], ["o"])
    assert contents(result) == {"o": b"1000000000.000000007\n1000000000.000000009\n1000000005.000000000\n"
                                     b"1000000002.500000000\n"}


def test_sparse_inputs_and_outputs(executor, staging, tmp_path):
    """A hole of an input occupies nothing in the sandbox, nor does one of an output where it is put in place."""
    data = bytes(8 << 20) + b"end" + bytes(1 << 20)
    item = staging.add("in", data)
    item.sparse = True
    command = "cp --sparse=always in o; truncate -s 3G p; printf x | dd of=p bs=1 seek=1G conv=notrunc 2>&-; du -k in"
    result = one(staging, "1.1", command, [item], ["o", "p"], limit_disk_mb=4.0)
    assert result.outcome == "finished", result.reason
    assert int(result.stdout.split()[0]) < 1000
    staged = unpack(tmp_path / "in", plan_outputs(tmp_path, ["o", "p"]), result.tar_bytes() or staging.puts["1.1"])
    assert Path(staged.path(0)).read_bytes() == data
    assert os.stat(staged.path(1)).st_size == 3 << 30
    for index in (0, 1):
        assert os.stat(staged.path(index)).st_blocks * 512 < 1 << 20
    with open(staged.path(1), "rb") as f:
        f.seek((1 << 30) - 1)
        assert f.read(3) == b"\0x\0"


def test_large_outputs_are_put(executor, staging, tmp_path):
    """Beyond 64 KiB the stream is PUT before the result; long names and folders survive in both ways."""
    long = "n" * 180
    command = (f"mkdir -p d/{long}; head -c 3000000 /dev/urandom > d/{long}/x; head -c 70000 /dev/zero > o; "
               "sha256sum d/*/x")
    result = one(staging, "1.1", command, [], ["d", "o"])
    assert (result.outcome, result.tar) == ("finished", None)
    found = contents(result, staging)
    assert hashlib.sha256(found[f"d/{long}/x"]).hexdigest() == result.stdout.split()[0]
    assert found["o"] == bytes(70000)


@pytest.mark.parametrize("large", [False, True])
def test_what_a_failed_task_made(executor, staging, large):
    """Where it is wanted, what there is of its outputs comes back; what may not leave, or is missing, does not."""
    command = f"head -c {200000 if large else 5} /dev/zero > o; mkdir d; echo x > d/x; ln -s /etc/passwd l; exit 3"
    result = one(staging, "1.1", command, [], ["o", "d", "l", "none"], keep_partial=True)
    assert (result.outcome, result.exit_code, result.tar is None) == ("failed", 3, large)
    found = contents(result, staging)
    assert (len(found.pop("o")), found.pop("d/x")) == (200000 if large else 5, b"x\n")
    assert not {"l", "none"} & set(found)
    missing = one(staging, "2.1", "echo 1 > o; echo hint", [], ["o", "none"], keep_partial=True)
    assert (missing.reason, contents(missing)) == ("output none missing: hint", {"o": b"1\n"})
    assert one(staging, "3.1", "echo 1 > o; exit 1", [], ["o"]).tar is None


def test_the_staging_side_takes_our_stream(executor, staging, tmp_path):
    """mfmesos.staging unpacks what we send, inline and PUT: names, modes, non-ASCII and odd bytes in names."""
    names = ["ä/ö", "d", "o", "l" * 120]
    command = ("echo 1 > ä/ö; mkdir -p d/e; printf x > \"d/$(printf '\\377')\"; head -c $N /dev/zero > o; chmod 750 o; "
               f"echo > {names[3]}")
    for n, size in enumerate((10, 200_000)):
        result = one(staging, f"{n}.1", command, [], names, env={"N": str(size)})
        data = result.tar_bytes() or staging.puts[f"{n}.1"]
        staged = unpack(tmp_path / f"in{n}", plan_outputs(tmp_path, names), data)
        assert os.stat(staged.path(2)).st_size == size
        assert os.stat(staged.path(2)).st_mode & 0o777 == 0o750
        assert sorted(os.listdir(os.fsencode(staged.path(1)))) == [b"e", b"\xff"]


def test_a_sparse_file_of_many_gb(executor, staging):
    """2.2 GB of hole with a byte at each end occupy nothing, are not sent, and no side holds them in memory."""
    staging.keep_puts = False
    one(staging, "0.1", "true")
    executor.say("usage")
    wait_until(lambda: executor.updates[-1][0] == "usage")
    before = executor.updates[-1][2]
    result = one(staging, "1.1", "printf x > o; truncate -s 2200M o; printf x >> o", [], ["o"], limit_disk_mb=10.0)
    assert result.outcome == "finished"
    assert len(result.tar or "") < 20_000
    executor.say("usage")
    wait_until(lambda: executor.updates[-1][0] == "usage" and executor.updates[-1][2] != 0)
    assert executor.updates[-1][2] - before < 20


def test_refused_outputs(executor, staging):
    """Outputs that the scheduler will not take break the attempt, with its words."""
    staging.put_status = 413
    result = one(staging, "1.1", "head -c 100000 /dev/zero > o", [], ["o"])
    assert (result.outcome, result.reason) == ("broken", "its outputs could not be delivered: out of my sight")


def test_a_put_that_breaks_off_is_repeated(executor, staging):
    """A connection lost in the middle of the outputs costs a repetition, nothing else."""
    one(staging, "1.1", "true")
    staging.broken = 1
    command = "head -c 20000000 /dev/zero > o"
    assert one(staging, "2.1", command, [], ["o"]).outcome == "finished"
    assert len(staging.puts["2.1"]) == 20_000_000 + 512 + 1024 + 256


def test_a_full_disk_is_the_agents_fault(staging, start, tmp_path):
    """A command that fails for want of space on the agent's disk is broken, not failed: it may run elsewhere."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = os.system(f"mount -t tmpfs -o size=3m none {small} 2>/dev/null") == 0
    need(mounted, "a small file system could not be mounted", "run the tests as root")
    try:
        folder = small / "sandbox"
        folder.mkdir()
        started = start(folder=folder)
        result = one(staging, "1.1", "head -c 9000000 /dev/zero > o", [], ["o"])
        assert result.outcome == "broken"
        assert "the disk of the agent is full" in result.reason
        result = one(staging, "3.1", "(head -c 9000000 /dev/zero; echo x >&2) > o; true", [], ["o"])
        assert (result.outcome, result.exit_code) == ("broken", 0)  # it did not notice
        assert "its outputs may be incomplete" in result.reason
        result = one(staging, "2.1", "true", [staging.add("in", bytes(6 << 20))])
        assert (result.outcome, result.reason) == (
            "broken", "input in could not be put in place: the disk of the agent is full")
        started.close()
    finally:
        os.system(f"umount -l {small}")


def test_inputs_whose_digest_follows(executor, staging):
    """Fetched once for all, and verified; a damaged one comes again, and what stays damaged is refused."""
    item = staging.add_late("in", b"x" * 3_000_000)
    staging.damage = 1
    staging.run(*(run(f"{i}.1", "sha256sum < in > o", [item], ["o"]) for i in range(4)))
    digest = hashlib.sha256(b"x" * 3_000_000).hexdigest().encode()
    assert {contents(r)["o"].split()[0] for r in staging.wait(*(f"{i}.1" for i in range(4)))} == {digest}
    assert staging.gets == [item.digest] * 2
    other = staging.add_late("in", b"y" * 3_000_000)
    staging.files[other.digest] = b"z" + staging.files[other.digest][1:]
    result = one(staging, "5.1", "true", [other])
    assert result.outcome == "broken"
    assert "its sha256 differs" in result.reason


@pytest.mark.parametrize("reserved", [True, False])
def test_a_large_copy_is_whole(tmp_path, monkeypatch, reserved):
    """Whether or not the file system can allocate its blocks before."""
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no")
    if not reserved:
        monkeypatch.setattr(os, "posix_fallocate", refuse)
    block = os.urandom(1 << 20)
    (tmp_path / "from").write_bytes(block * 17 + b"end")
    copy_file(str(tmp_path / "from"), str(tmp_path / "to"), 0o640, mtime_ns=10**18)
    found = (tmp_path / "to").stat()
    assert (tmp_path / "to").read_bytes() == block * 17 + b"end"
    assert (found.st_mode & 0o777, found.st_mtime_ns) == (0o640, 10**18)
