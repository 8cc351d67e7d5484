"""Calls into libmesos what `mesos-local` calls: a master and agents in this process.

    process::initialize("master");  local::Flags flags;  flags.load("MESOS_");  local::launch(flags);

And what `mesos-containerizer launch` calls: this process becomes a container.

    MesosContainerizerLaunch launch;  launch.flags.load("MESOS_CONTAINERIZER_");  launch.execute();
"""
from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

STRING = "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE"
INITIALIZE = f"_ZN7process10initializeERK6OptionI{STRING}EES9_S9_"
NEW_FLAGS = "_ZN5mesos8internal5local5FlagsC1Ev"
LOAD_FLAGS = f"_ZN5flags9FlagsBase4loadERK{STRING}E"
NEW_VERSION_PROCESS = "_ZN5mesos8internal14VersionProcessC1Ev"
SPAWN = "_ZN7process5spawnEPNS_11ProcessBaseEb"
LAUNCH = "_ZN5mesos8internal5local6launchERKNS1_5FlagsEPNS_9allocator9AllocatorE"
CONTAINER_LAUNCH = "N5mesos8internal5slave24MesosContainerizerLaunch"
LAUNCH_TABLE = f"_ZTV{CONTAINER_LAUNCH}E"
NEW_LAUNCH_FLAGS = f"_Z{CONTAINER_LAUNCH}5FlagsC1Ev"
EXECUTE = f"_Z{CONTAINER_LAUNCH}7executeEv"
LAUNCH_FLAGS_AT = 0xE0
"""After what it has of its base class, as getFlags() says in this build: 0x168, less 0x88 for the base of its flags."""


class _String(ctypes.Structure):
    """std::string (libstdc++) that nobody changes."""
    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("local", ctypes.c_char * 16))

    def set(self, text: bytes) -> _String:
        self.text = ctypes.create_string_buffer(text)
        self.data, self.size = ctypes.addressof(self.text), len(text)
        return self


class _OptionString(ctypes.Structure):
    """stout's Option<std::string>: SOME = 0, NONE = 1."""
    _fields_ = (("state", ctypes.c_int), ("value", _String))


def launch(library: Path) -> object:
    """Starts the master and the agents, by the environment (LIBPROCESS_*, MESOS_*); the result must outlive them."""
    lib = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    delegate, none = _OptionString(state=0), _OptionString(state=1)
    delegate.value.set(b"master")
    lib[INITIALIZE](ctypes.byref(delegate), ctypes.byref(none), ctypes.byref(none))
    flags = ctypes.create_string_buffer(1 << 16)
    address = ctypes.addressof(flags)
    lib[NEW_FLAGS](ctypes.c_void_p(address))
    result = ctypes.create_string_buffer(4096)
    # What fails to load here local::launch loads again, and says what is wrong with it.
    lib[LOAD_FLAGS](  # of the virtual bases logging::Flags, FlagsBase the second
        ctypes.byref(result), ctypes.c_void_p(_virtual_base(address, 2)), ctypes.byref(_String().set(b"MESOS_")))
    pid = ctypes.create_string_buffer(4096)
    lib[LAUNCH](ctypes.byref(pid), ctypes.c_void_p(address), None)
    version = ctypes.create_string_buffer(1 << 16)  # serves /version, which mesos-master has and mesos-local has not
    lib[NEW_VERSION_PROCESS](ctypes.byref(version))
    upid = ctypes.create_string_buffer(4096)
    lib[SPAWN](ctypes.byref(upid), ctypes.c_void_p(_virtual_base(ctypes.addressof(version), 1)), False)
    return lib, flags, version


def contain(library: str) -> int:
    """Become the container that MESOS_CONTAINERIZER_LAUNCH_INFO describes; returns the exit code of a failure."""
    lib = ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    launch, result = ctypes.create_string_buffer(1 << 16), ctypes.create_string_buffer(4096)
    address = ctypes.addressof(launch)
    table = ctypes.addressof(ctypes.c_char.in_dll(lib, LAUNCH_TABLE))
    ctypes.c_void_p.from_address(address).value = table + 16  # after its head (Itanium ABI)
    flags = address + LAUNCH_FLAGS_AT
    lib[NEW_LAUNCH_FLAGS](ctypes.c_void_p(flags))
    lib[LOAD_FLAGS](ctypes.byref(result), ctypes.c_void_p(_virtual_base(flags, 1)),
                    ctypes.byref(_String().set(b"MESOS_CONTAINERIZER_")))
    return int(lib[EXECUTE](ctypes.c_void_p(address)))


def _virtual_base(address: int, number: int) -> int:
    """Where the virtual base class `number` (from 1) of an object begins: the vtable holds the offset (Itanium ABI)."""
    vtable = ctypes.c_void_p.from_address(address).value
    assert vtable is not None
    return address + ctypes.c_ssize_t.from_address(vtable - 16 - 8 * number).value


def listening_port() -> int:
    """The one TCP port on which this process listens: asked of the kernel, since libprocess does not tell."""
    sockets = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            if m := re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/self/fd/{fd}")):
                sockets.add(m[1])
        except OSError:
            continue
    ports = []
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in sockets:
            ports.append(int(fields[1].rpartition(":")[2], 16))
    if len(ports) != 1:
        raise RuntimeError(f"expected libprocess to listen on one port, found {ports}")
    return ports[0]
