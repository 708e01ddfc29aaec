"""Run one command walled in: the stub between the runner and a build's process tree.

It is started as a file (`python -I -S launch.py SPEC_FD STATUS_FD`), reads its order as JSON and then, where the
kernel lets it, gives the command its own user, mount, process and IPC namespaces: everything is read-only except the
folders named, the folders named `hide` are empty, no process outside is visible, and no capability is left. Where the
kernel refuses, the command still gets its own session, limits and a reaper that ends every descendant.

Exit status: the command's, or 128 + signal. A failure of the walls themselves is one line on STATUS_FD.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import select
import signal
import sys
import time

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWPID = 0x20000, 0x8000000, 0x10000000, 0x20000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_CAPABILITY_VERSION_3 = 0x20080522


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64), ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64), ("userns_fd", ctypes.c_uint64),
    )  # fmt: skip


def _checked(value: int, what: str) -> int:
    if value < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return value


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    _checked(
        _LIBC.mount(
            source.encode(), os.fsencode(target), kind and kind.encode(), ctypes.c_ulong(flags), data and data.encode()
        ),
        f"mount {target}",
    )


def _set_read_only(path: str, *, read_only: bool) -> None:
    """Everything mounted at `path` and below becomes read-only, or writable again."""
    attr = _MountAttr(attr_set=_MS_RDONLY if read_only else 0, attr_clr=0 if read_only else _MS_RDONLY)
    _checked(
        _LIBC.syscall(
            ctypes.c_long(_MOUNT_SETATTR), ctypes.c_int(_AT_FDCWD), os.fsencode(path), ctypes.c_uint(_AT_RECURSIVE),
            ctypes.byref(attr), ctypes.c_size_t(ctypes.sizeof(attr)),
        ),
        f"set {path} {'read-only' if read_only else 'writable'}",
    )  # fmt: skip


def _die_with_parent(parent: object = None) -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(0)  # it died before we could ask to be told


def _enter_namespaces() -> None:
    uid, gid = os.getuid(), os.getgid()
    _checked(_LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWIPC), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _arrange_mounts(writable: list[str], readable: list[str], hide: list[str]) -> None:
    """An own view of the file system. Order matters: what must stay reachable is held open before it is hidden."""
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    kept = {path: os.open(path, os.O_PATH) for path in [*writable, *readable]}
    for path in hide:
        if os.path.isdir(path):
            _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=0755")
        elif os.path.exists(path):
            _mount("/dev/null", path, None, _MS_BIND)
    if os.path.isdir("/dev/shm"):  # noqa: S108 - the system's own
        _mount("tmpfs", "/dev/shm", "tmpfs", _MS_NOSUID | _MS_NODEV, "size=256m,mode=1777")  # noqa: S108 - the system's own
    for path, handle in kept.items():
        os.makedirs(path, exist_ok=True)
        _mount(f"/proc/self/fd/{handle}", path, None, _MS_BIND | _MS_REC)
        os.close(handle)
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _set_read_only("/", read_only=True)
    for path in [*writable, "/dev/shm"]:  # noqa: S108 - the system's own
        if os.path.isdir(path):
            _set_read_only(path, read_only=False)


def _drop_privileges() -> None:
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        if _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _LIBC.capset(header, (ctypes.c_uint32 * 6)())


def _set_limits(limits: dict[str, int], *, own_process_count: bool) -> None:
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_DATA: limits.get("memory_bytes"),
        resource.RLIMIT_FSIZE: limits.get("file_bytes"),
        resource.RLIMIT_CPU: limits.get("cpu_s"),
        # Outside a namespace the kernel counts all processes of the user: the runner's watch counts the tree instead.
        resource.RLIMIT_NPROC: limits.get("processes") if own_process_count else None,
    }
    for kind, value in wanted.items():
        if value is None:
            continue
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def _start(order: dict[str, object]) -> int:
    child = os.fork()
    if child:
        return child
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.chdir(str(order["cwd"]))
        command, environment = order["command"], order["environment"]
        assert isinstance(command, list)  # noqa: S101 - for the types
        assert isinstance(environment, dict)  # noqa: S101 - for the types
        os.execvpe(command[0], command, environment)  # noqa: S606
    except OSError as error:
        os.write(2, f"cannot start {order['command']}: {error}\n".encode())
    os._exit(127)


def _wait_for(child: int) -> int:
    """The child's exit status; orphans that fall to us are reaped on the way."""
    while True:
        try:
            pid, status = os.wait()
        except InterruptedError:
            continue
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _descendants(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return sorted(found - {root})
        found |= more


def _end_descendants() -> None:
    """Kill until nothing of the tree is left: stop all first, so that a fork bomb cannot outrun the list."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        tree = _descendants(os.getpid())
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in tree:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def _run_in_namespaces(order: dict[str, object]) -> int:
    _enter_namespaces()
    _die_with_parent(order["parent"])  # again: the kernel forgets it when a process gains a namespace
    read_end, write_end = os.pipe()
    alive_read, alive_write = os.pipe()
    child = os.fork()
    if child == 0:  # process 1 of the new namespace: when it ends, the kernel ends everything in there
        os.close(read_end)
        os.close(alive_write)
        try:
            _die_with_parent()
            if select.select([alive_read], [], [], 0)[0]:
                os._exit(1)  # the parent died before we could ask to be told
            limits, writable, readable, hide = (order[key] for key in ("limits", "writable", "readable", "hide"))
            assert isinstance(limits, dict)  # noqa: S101 - for the types
            assert isinstance(writable, list)  # noqa: S101 - for the types
            assert isinstance(readable, list)  # noqa: S101 - for the types
            assert isinstance(hide, list)  # noqa: S101 - for the types
            _arrange_mounts(writable, readable, hide)
            _set_limits(limits, own_process_count=True)
            _drop_privileges()
        except OSError as error:
            os.write(write_end, str(error).encode())
            os._exit(1)
        os.close(write_end)
        status = _wait_for(_start(order))
        os._exit(status if status >= 0 else 128 - status)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        trouble = pipe.read().decode()
    status = _wait_for(child)
    if trouble:
        raise OSError(errno.EPERM, trouble)
    return status


def _run_in_tree(order: dict[str, object]) -> int:
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != order["parent"]:
        return 0

    def stop(number: int, frame: object) -> None:
        _end_descendants()
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    limits = order["limits"]
    assert isinstance(limits, dict)  # noqa: S101 - for the types
    _set_limits(limits, own_process_count=False)
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    status = _wait_for(_start(order))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_descendants()
    return status


def _enter_counted_group(processes: int) -> str | None:
    """Join a new control group that holds so many processes, if the machine lets us make one; its path.

    Unlike RLIMIT_NPROC it also binds root, whose processes the kernel does not count against a limit.
    """
    with open("/proc/self/cgroup") as file:
        ours = [line.rstrip("\n").split(":", 2) for line in file]
    for _number, controllers, path in ours:
        root = "/sys/fs/cgroup/pids" if controllers == "pids" else "/sys/fs/cgroup"
        if controllers not in ("pids", ""):
            continue
        parent = root + path.rstrip("/")
        group = f"{parent}/flambeau-{os.getpid()}"
        try:
            _sweep_counted_groups(parent)
            os.mkdir(group)
            with open(f"{group}/pids.max", "w") as file:
                file.write(str(processes))
            with open(f"{group}/cgroup.procs", "w") as file:
                file.write(str(os.getpid()))
        except OSError:
            with contextlib.suppress(OSError):
                os.rmdir(group)
            continue
        return group
    return None


def _sweep_counted_groups(parent: str) -> None:
    """Remove what launchers left that were killed; a group that still has processes refuses."""
    for name in os.listdir(parent):
        if name.startswith("flambeau-") and not os.path.exists(f"/proc/{name.removeprefix('flambeau-')}"):
            with contextlib.suppress(OSError):
                os.rmdir(f"{parent}/{name}")


def _leave_counted_group(group: str | None) -> None:
    if group is not None:
        with contextlib.suppress(OSError):
            with open(f"{os.path.dirname(group)}/cgroup.procs", "w") as file:
                file.write(str(os.getpid()))
            os.rmdir(group)


def main() -> int:
    """Read the order from the descriptor given, run it, answer with its exit status."""
    with os.fdopen(int(sys.argv[1]), "rb") as pipe:
        order = json.load(pipe)
    status_fd = int(sys.argv[2])
    os.set_inheritable(status_fd, False)
    # Five more than the limit: this launcher, process 1 of the namespace, and what the runner's watch allows.
    group = _enter_counted_group(order["limits"]["processes"] + 5)
    try:
        if order["namespaces"]:
            _die_with_parent(order["parent"])
            status = _run_in_namespaces(order)
        else:
            status = _run_in_tree(order)
    except OSError as error:
        os.write(status_fd, str(error.strerror or error).encode())
        return 1
    finally:
        _leave_counted_group(group)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
