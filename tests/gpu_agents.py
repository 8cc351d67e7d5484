"""A real Mesos whose agent isolates GPUs, on a machine without any: root and cgroup v1 are needed.

The isolator gpu/nvidia asks NVIDIA's management library for the GPUs: a stub of it, with the six functions that it
calls, answers that there are some. It opens and closes devices by the cgroup "devices", which needs device nodes but no
driver: opening a node that the kernel allows fails with ENXIO, one that it forbids with EPERM. The nodes lie in a /dev
of the cluster's own mount namespace, as does a library cache of the form that Mesos 1.11 reads.
"""
from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

from clusters import RealMesos, need_real_mesos
from support import need

ISOLATION = {"launcher": "linux", "isolation": "filesystem/linux,cgroups/devices,gpu/nvidia"}
NVML = """
typedef void *device;
int nvmlInit_v2(void) {{ return 0; }}
int nvmlSystemGetDriverVersion(char *text, unsigned size) {{ text[0] = '1'; text[size > 1] = 0; return 0; }}
int nvmlDeviceGetCount(unsigned *count) {{ *count = {gpus}; return 0; }}
int nvmlDeviceGetHandleByIndex(unsigned n, device *one) {{ *one = (char *)1 + n; return 0; }}
int nvmlDeviceGetMinorNumber(device one, unsigned *n) {{ *n = (char *)one - (char *)1; return 0; }}
const char *nvmlErrorString(int code) {{ return code ? "error" : "success"; }}
"""
NAMESPACE = """set -e
dev=$1; shift
mount -t tmpfs tmpfs $dev/dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty $dev/dev
ln -s /proc/self/fd $dev/dev/fd
mkdir $dev/dev/pts $dev/dev/shm $dev/dev/mqueue
mount --rbind /dev/pts $dev/dev/pts
ln -s pts/ptmx $dev/dev/ptmx
mknod $dev/dev/nvidiactl c 195 255
mknod $dev/dev/nvidia-uvm c 243 0
for n in $(seq 0 $(($1 - 1))); do mknod $dev/dev/nvidia$n c 195 $n; done; shift
mount --move $dev/dev /dev
mount -t tmpfs tmpfs /run
mkdir /run/mesos
mount --bind $dev/ld.so.cache /etc/ld.so.cache
exec "$@"
"""


def need_gpu_isolation() -> None:
    need_real_mesos()
    need(os.geteuid() == 0, "GPU isolation needs root", "run the tests as root for this one")
    need(Path("/sys/fs/cgroup/devices/devices.list").exists(), "Mesos 1.11 knows cgroup v1 only",
         "boot with systemd.unified_cgroup_hierarchy=0, or run these tests in CI")
    need(shutil.which("gcc") is not None, "no compiler for the stub of NVIDIA's library", "apt-get install gcc")


class GpuMesos(RealMesos):
    """One agent with `gpus` GPUs and as many cores."""

    def __init__(self, folder: Path, gpus: int) -> None:
        self._folder, self._gpus = folder, gpus
        (folder / "dev").mkdir(parents=True)
        source = folder / "nvml.c"
        source.write_text(NVML.format(gpus=gpus))
        subprocess.run(["gcc", "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1", "-o",
                        folder / "libnvidia-ml.so.1", source], check=True, timeout=60)
        # Empty, of the form that glibc wrote before 2.32.
        old, new = b"ld.so-1.7.0\0" + struct.pack("<I", 0), b"glibc-ld.so.cache1.1" + struct.pack("<7I", 0, 1, *[0] * 5)
        (folder / "ld.so.cache").write_bytes(old + new + b"\0")
        devices = ",".join(map(str, range(gpus)))
        super().__init__(
            agents=1, resources=f"cpus:{gpus};mem:4096;disk:20000;gpus:{gpus}",
            flags={**ISOLATION, "nvidia_gpu_devices": devices}, environ={"LD_LIBRARY_PATH": str(folder)})

    def command(self, ready: Path) -> list[str]:
        return ["unshare", "-m", "sh", "-c", NAMESPACE, "sh", str(self._folder), str(self._gpus),
                *super().command(ready)]
