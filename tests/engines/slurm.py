"""A SLURM of one node, started for a test where Debian's slurm-wlm is installed: controller, node and munge."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo")

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={first}
SlurmdPort={second}
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why no SLURM can be started here; empty if it can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"SLURM (Debian: slurm-wlm) is not installed: no {', '.join(absent)}"
    return "" if os.geteuid() == 0 else "SLURM's daemons want to be started by root"


@contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which `sbatch` reaches it.

    Raises:
        RuntimeError: if its node does not come up, with what its controller says.
    """
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    _munge(folder / "munge")
    first, second = (_free_port() for _ in range(2))
    host = socket.gethostname().split(".")[0]
    text = CONFIGURATION.format(folder=folder, host=host, first=first, second=second, cores=os.cpu_count())
    (folder / "slurm.conf").write_text(text)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    started = [
        subprocess.Popen([name, "-D", *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name, *words in (("slurmctld",), ("slurmd", "-N", host))
    ]
    try:
        _wait_for_node(environment, folder)
        yield environment
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(20)
        subprocess.run(["munged", "--stop", f"--socket={folder}/munge/socket"], check=False, capture_output=True)


def _munge(folder: Path) -> None:
    folder.chmod(0o755)
    key = folder / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    places = [f"--{option}={folder / name}" for option, name in PLACES.items()]
    subprocess.run(["munged", "--force", f"--key-file={key}", *places], check=True, capture_output=True)


PLACES = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}


def _wait_for_node(environment: dict[str, str], folder: Path) -> None:
    end = time.monotonic() + 40
    while time.monotonic() < end:
        asked = subprocess.run(
            ["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False
        )
        if asked.stdout.strip() == "idle":
            return
        time.sleep(0.3)
    raise RuntimeError(f"SLURM's node does not come up:\n{(folder / 'slurmctld.log').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])
