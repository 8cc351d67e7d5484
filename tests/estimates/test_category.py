"""Categories derived from commands: the same along a sweep, different for different programs, always short."""
from __future__ import annotations

import re
import string
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support import examples

from mfmesos.core.model import Task
from mfmesos.estimates.category import LONGEST, category_of, derive, signature
from mfmesos.estimates.programs import steps

LETTERS = string.ascii_lowercase
NOT_PROGRAMS = {
    "time", "nice", "env", "exec", "sudo", "if", "then", "do", "for", "in", "cd", "set", "cat", "cp", "mv", "ln", "rm",
    "ls", "sh", "bash", "dash", "ksh", "zsh", "lua", "php", "perl", "ruby", "node", "java", "julia", "echo", "true",
    "test", "read", "trap", "hash", "wait", "exit", "local", "alias", "shift", "return", "done", "fi", "esac", "case",
    "else", "elif", "while", "until", "select", "srun", "xargs", "sleep", "date", "touch", "chmod", "mkdir", "rmdir",
    "tee", "pwd", "umask", "ulimit", "unset", "export", "source", "module", "pushd", "popd", "false", "printf",
    "chrt", "nohup", "ionice", "stdbuf", "timeout", "setsid", "taskset", "command", "builtin", "numactl", "mpirun",
    "mpiexec", "parallel", "python", "function", "declare", "hostname", "unbuffer"}
programs = st.builds("".join, st.tuples(
    st.text(LETTERS, min_size=2, max_size=9), st.sampled_from(["", "2", ".py", ".sh", "-x"]))).filter(
    lambda name: name not in NOT_PROGRAMS and not re.match("python|perl|ruby|node|php|lua", name))
flags = st.from_regex(r"--?[a-z]{2,8}", fullmatch=True)
file_names = st.from_regex(r"(?:[a-z]{1,6}/)?[a-z]{1,6}[0-9]{0,3}\.[a-z]{2,3}", fullmatch=True)
bare_names = st.from_regex(r"[a-z]{2,8}", fullmatch=True)
numbers = st.one_of(st.integers(-999, 10**9).map(str), st.floats(-1e6, 1e6).map("{:.3g}".format))


@st.composite
def sweeps(draw):
    """Two points of a sweep: commands alike but for names and numbers; with the names that each states."""
    program = draw(programs)
    templates, first, second, names = [program], [], [], ([], [])
    for kind in draw(st.lists(st.sampled_from(["flag", "file", "number", "flag=number", "key=file"]), max_size=6)):
        value = file_names if "file" in kind else numbers
        if kind == "file" and len(templates) > 1 and draw(st.booleans()):
            value = bare_names
        pair = (draw(value), draw(value))
        if "=" in kind:
            templates.append(draw(flags if kind[0] == "f" else bare_names) + "={}")
        else:
            templates.append(draw(flags) if kind == "flag" else "{}")
        if kind != "flag":
            first.append(pair[0])
            second.append(pair[1])
            if "file" in kind:
                names[0].append(pair[0])
                names[1].append(pair[1])
    ending = draw(st.sampled_from(["", " > {}", " 2> log.{} < {}"]))
    for _ in range(ending.count("{}")):
        first.append(draw(file_names))
        second.append(draw(file_names))
    template = " ".join(templates) + ending
    return (template.format(*first), names[0]), (template.format(*second), names[1])


@given(sweeps())
@settings(deadline=None)
def test_a_sweep_stays_one_category(pair):
    """Files renamed and numbers changed: the same category and the same signature."""
    (one, files), (other, other_files) = pair
    stems = {re.split(r"[/.]", name)[-1 - ("." in name)] for name in files + other_files}
    assume(not any(word.startswith("-") and word[2:] in stems for word in one.split()))  # -ores may be -o res
    assert derive(one, files) == derive(other, other_files)
    assert signature(one, files) == signature(other, other_files)


@given(programs, programs, st.lists(st.one_of(flags, file_names, numbers), max_size=5))
@settings(deadline=None)
def test_different_programs_differ(one, other, words):
    """With the same words after them."""
    same = one == other
    rest = " ".join(words)
    assert (derive(f"{one} {rest}") == derive(f"{other} {rest}")) == same
    assert (signature(f"{one} {rest}") == signature(f"{other} {rest}")) == same


SHELL = st.lists(st.sampled_from([
    *"'\"\\`$(){}[]<>|&;#!=-\n\t \0", "&&", "||", "<<", "<<<EOF\n", ">&2", "$(", "sh -c ", "python -m ",
    "timeout ", "env ", "singularity exec ", "if ", "for ",
    "é", "\udc80", "１", "a", "b.c", "-x", "--y=", "7"]), max_size=40).map("".join)


@given(st.one_of(SHELL, st.text(max_size=300)), st.lists(st.text(max_size=10), max_size=3))
@settings(max_examples=examples(300), deadline=None)
def test_any_text_gives_something_short_and_printable(command, files):
    """Never an exception, never empty, never longer than the bound, one line, the same every time."""
    category = derive(command, files)
    assert 0 < len(category) <= LONGEST
    assert category.isprintable()
    assert category == derive(command, files)
    assert re.fullmatch("[0-9a-f]{12}", signature(command, files))


@given(programs, st.lists(flags, unique=True, max_size=5).flatmap(lambda f: st.tuples(st.just(f), st.permutations(f))))
@settings(deadline=None)
def test_the_order_of_flags_does_not_matter(program, orders):
    """Programs that write commands may not keep one."""
    one, other = orders
    assert derive(" ".join([program, *one])) == derive(" ".join([program, *other]))


@pytest.mark.parametrize(("command", "category"), [
    ("bwa mem -t 4 ref.fa a.fq | samtools sort -@4 -o out.bam -", "bwa mem -t + samtools sort -o"),
    ("samtools view < in.bam > out", "samtools view"),
    ("git -C somewhere status", "git status -C"),
    ("java -Xmx4g -jar /opt/picard.jar MarkDuplicates I=a.bam O=b.bam", "picard.jar MarkDuplicates I= O="),
    ("java -cp a:b Main 7", "Main"),
    ("gatk --java-options -Xmx4g HaplotypeCaller -R r.fa", "gatk HaplotypeCaller --java-options -R -Xmx"),
    ("cd x && LC_ALL=C ./prog --go 3", "prog --go"),
    ("export A=1; . ./env.sh; module load blast; blastp -db nr -query q.fa", "blastp -db -query"),
    ("bash -c 'cd x; ./run_17.sh 3'", "run_#.sh"),
    ("sh -euc \"sh -c 'sh -c prog'\"", "prog"),
    ("bash script.sh a b", "script.sh"),
    ("python3 -W ignore -u /a/script.py --lr=0.1", "script.py --lr"),
    ("python -m tool.train go --x 1", "tool.train go --x"),
    ("python3 -c 'print(1)'", "python3 -c"),
    ("Rscript --vanilla fit.R 3", "fit.R"),
    ("timeout -k 5 30s mpirun -np 4 ./lmp -in in.lj", "lmp -in"),
    ("/usr/bin/time -v -o t.txt prog a.txt", "prog"),
    ("env -i -u HOME PATH=/bin A=1 prog", "prog"),
    ("singularity exec -B /a:/b image.sif prog -z 1", "prog -z"),
    ("for i in 1 2 3; do ./sim $i; done", "sim"),
    ("if [ -f x ]; then prog --go; else other; fi", "prog --go + other"),
    ("diff <(sort a.txt) <(sort b.txt)", "diff + sort"),
    ("prog -a <<END\nother -b\nEND\nthird", "prog -a + third"),
    ("prog --in 'a b.txt' --out \"c d\" # other", "prog --in --out"),
    ("tool split a.txt", "tool split"),
    ("tool -ores.txt -j4 --top10 -5 -I/usr/include", "tool --top -I -j -o"),
    ("cat in > out", "cat"), ("sleep 5; true", "sleep"), ("true", "true"), ("prog &", "prog"), ("! prog", "prog"),
    ("time", "time"), ("FOO=1", "task"), ("# nothing", "task"), ("'", "task"), ("{ prog; }", "prog"), ("(a;a)", "a"),
    ("bowtie2 -x i -1 a.fq -2 b.fq", "bowtie2 -x"), ("./job_0017", "job_#"), ("./0a1b2c3d4e.sh", "#.sh"),
    ("gatk-4.2.0 X -y", "gatk-# -y"), ("'my tool' -x", "my tool -x"), ("dd if=a of=b bs=1M", "dd bs= if= of="),
])
def test_the_category_of_real_commands(command, category):
    """Program, subcommand and flags of what does the work."""
    assert derive(command) == category


def test_a_stated_file_is_no_subcommand():
    """A task's inputs and outputs distinguish names from subcommands; so does a prefix of an output."""
    assert category_of(Task(1, "count words -o res", inputs=("words",), outputs=("res.txt",))) == "count -o"
    assert category_of(Task(1, "count words -o res")) == "count words -o"
    assert category_of(Task(1, "make_all dir/out 3", outputs=("dir/out.bam", "dir/out.bai"))) == "make_all"


@pytest.mark.parametrize(("command", "files"), [
    ("samtools flagstat m.bam > flagstat.txt", ("m.bam", "flagstat.txt")),
    ("samtools depth m.bam > depth", ("m.bam", "depth")),
    ("samtools stats m.bam > out/stats.txt", ("m.bam", "out/stats.txt")),
    ("bwa index ref.fa 2> index.log", ("ref.fa", "index.log")),
    ("bcftools stats", ("stats",)),
    ("git -C x log > log.txt", ("log.txt",)),
])
def test_a_subcommand_stays_one_whatever_a_file_is_called(command, files):
    """Outputs are often named like the subcommand that makes them; with other names the category is the same."""
    found = derive(command, files)
    assert found == derive(command)
    assert len(found.split()) > 1


def test_a_given_category_wins_over_the_command():
    """A category that the user names is used as it is, however long."""
    assert category_of(Task(1, "sort x", category="c" * 300)) == "c" * 300


def test_the_signature_is_finer_than_the_category():
    """Values that are neither files nor numbers count in it."""
    one, other = "blastn -task megablast -db a.db", "blastn -task blastn -db a.db"
    assert derive(one) == derive(other)
    assert signature(one) != signature(other)
    assert signature("sim --mode=a -n 3") == signature("sim --mode=a -n 4") != signature("sim --mode=b -n 3")


def test_long_commands_stay_different():
    """A category that was cut ends with a digest of all of it."""
    many = " ".join(f"--flag{c}{d}" for c in LETTERS for d in LETTERS)
    one, other = derive(f"prog {many} --x"), derive(f"prog {many} --zz")
    assert len(one) == len(other) == LONGEST
    assert one != other


@pytest.mark.parametrize("command", [
    "'" * 100_000, "$(" * 100_000, "`" * 99_999, "a;" * 50_000, "<<a\n" * 30_000,
    "-" * 100_000, "\\" * 99_999, "((" * 50_000,
    "$(a (" * 30_000, '"\\' * 50_000, "0" * 100_000, "env " * 30_000, "sh -c " * 20_000,
    "[" * 100_000, "a=" * 50_000])
def test_nothing_takes_long(command):
    """Text made to be slow is not."""
    begun = time.process_time()
    derive(command)
    signature(command)
    assert time.process_time() - begun < 2


def test_steps_keep_their_order():
    """The programs as they are written."""
    assert [s.program for s in steps("a | b && c; d & e\nf")] == list("abcdef")
